"""What is there without any settings: channels, and rows of limits."""

# What is shipped: tried in this order behind the channels that the settings name first. A channel of the same
# name in the settings changes only what it sets.
SHIPPED_CHANNELS: tuple[dict[str, object], ...] = (
    {"name": "webmail", "networks": ["webmail"]},
    {"name": "submission-auth-internal", "login": True, "networks": ["internal"]},
    {"name": "submission-auth-external", "login": True},
    {"name": "submission-noauth-internal", "login": False, "networks": ["internal"]},
    {"name": "local", "local": True, "networks": []},
)

# Rows of limits that are shipped: the ladder of trust. All windows count, so that no message can have more
# recipients than its shortest one.
SHIPPED_LIMITS: tuple[dict[str, object], ...] = (
    {"name": "internal", "recipients": ["150/10m", "400/1h", "2000/24h"], "per_message": 150},
    {"name": "device", "recipients": ["60/10m", "200/1h", "1000/24h"], "per_message": 60},
    {"name": "external", "recipients": ["40/10m", "150/1h", "800/24h"], "per_message": 40},
    {"name": "webmail", "recipients": ["30/10m", "100/1h", "400/24h"], "per_message": 30},
    {"name": "scripts", "recipients": ["50/10m", "80/1h", "750/24h"], "per_message": 50},
    {"name": "bulk", "recipients": ["3600/1h", "20000/24h"], "per_message": 500},
    # For mail that comes in, where [incoming] names them.
    {"name": "incoming-network", "messages": ["500/10m", "2000/1h"]},
    {"name": "incoming-domain", "messages": ["500/10m", "2000/1h"]},
    {"name": "incoming-bounces", "messages": ["20/10m", "60/1h"]},
    {"name": "incoming-mailbox", "messages": ["100/10m", "300/1h", "1500/24h"]},
    # Holds besides the channel's own for accounts that were first seen lately.
    {"name": "new-account", "recipients": ["15/10m", "50/1h", "150/24h"], "per_message": 15},
    # Holds besides the channel's own for mail that a scanner calls spam.
    {"name": "spam-scored", "recipients": ["10/10m", "50/1h", "100/24h"]},
    # Holds besides the channel's own for accounts in this state.
    {"name": "throttled", "recipients": ["20/1h"]},
)
