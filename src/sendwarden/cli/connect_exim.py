"""``sendwarden connect exim``: ACL statements by which Exim asks us about each message. They are only shown.

They stand in the ACL that ``acl_smtp_data`` names. Exim runs it when the message is in and not yet
acknowledged, once for all recipients, so that one question tells how many there are. ``${readsocket}`` sends
the question, shuts its side and reads to the end; its fail string is what holds while we are down.

Source: Exim's specification, chapters 11 (readsocket) and 44 (access control lists), and
tests/e2e/test_exim.py with 4.96. Limits: FILTER and PREPEND have no counterpart there and let the message
pass, as does an answer that is none of ours. Envelope senders are judged at RCPT, which is not asked about.
"""

from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.output import Output
from sendwarden.cli.surroundings import exim
from sendwarden.config.load import Loaded

BEGIN, END = "# sendwarden: begin", "# sendwarden: end"
# Above our own deadline of 1 s, and what a client waits for more while we hang.
TIMEOUT = "3s"
# A socket that is open to everybody is reached on this machine by its own address.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read here, never bound
# Attribute of the policy protocol, and Exim's variable for it.
ATTRIBUTES = (
    ("request", "smtpd_access_policy"),
    ("protocol_state", "DATA"),
    ("client_address", "$sender_host_address"),
    ("sasl_username", "$authenticated_id"),
    ("sender", "$sender_address"),
    ("recipient_count", "$recipients_count"),
    ("size", "$message_size"),
    ("queue_id", "$message_exim_id"),
    ("instance", "$message_exim_id"),
)
# What becomes of the answer, whose line ends are taken off: in a message they would be a line more. A code at
# the beginning of a message is the code of Exim's reply.
_ANSWERED = r"""
defer
  condition = ${if match{$acl_m_sendwarden}{\N^action=4\d\d \N}}
  message = ${sg{$acl_m_sendwarden}{\N^action=|\s+$\N}{}}
deny
  condition = ${if match{$acl_m_sendwarden}{\N^action=5\d\d \N}}
  message = ${sg{$acl_m_sendwarden}{\N^action=|\s+$\N}{}}
discard
  condition = ${if match{$acl_m_sendwarden}{\N^action=DISCARD\b\N}}
  log_message = discarded by Sendwarden: ${sg{$acl_m_sendwarden}{\N^action=DISCARD ?|\s+$\N}{}}
warn
  condition = ${if match{$acl_m_sendwarden}{\N^action=HOLD\b\N}}
  control = freeze
  log_message = held by Sendwarden: ${sg{$acl_m_sendwarden}{\N^action=HOLD ?|\s+$\N}{}}
"""
_WHERE = (
    "Put these lines into the ACL that acl_smtp_data names, before its first accept that mail of your users",
    "can meet, and behind all that may still refuse a message (Debian: into a file of their own that",
    "CHECK_DATA_LOCAL_ACL_FILE names, docs/exim.md):",
)
_THEN = (
    "Then see that Exim reads them, and reload it:",
    "  exim4 -bV && systemctl reload exim4",
)
_SENDERS = (
    "By these lines Exim asks for limits and the states of accounts. It does not ask whether an account may",
    "use an envelope sender (senders), nor for access tables, which these settings have.",
)
WHILE_DOWN = (
    f"while Sendwarden is down mail passes unchecked: at once if it is stopped, after {TIMEOUT} if it hangs"
)
UNDO = (f"sed -i '/{BEGIN}/,/{END}/d' FILE", "exim4 -bV && systemctl reload exim4")


def show(loaded: Loaded, output: Output, *, all_versions: bool) -> int:
    """The statements, where they go, and how they are taken out. The same for all versions since 4.82."""
    del all_versions
    policy = loaded.settings.listen.policy
    if not policy:
        output.error('Nothing to ask: [listen] names no policy; set policy = "127.0.0.1:10031"')
        return CANNOT
    text = lines(policy[0])
    asks_less = loaded.site.judges_senders or bool(loaded.site.access_stages("policy"))
    version = exim().detail
    output.line(f"Exim {version} is here." if version else "Exim was not found here.")
    _show(text, output, asks_less=asks_less)
    output.record({"server": "exim", "found": bool(version), "version": version, "lines": text,
                   "while_down": WHILE_DOWN, "undo": UNDO, "changed": False})  # fmt: skip
    return GOOD


def lines(listen: str) -> tuple[str, ...]:
    """The statements, from `BEGIN` to `END`."""
    asked = [f"    {name}={value}\\n\\" for name, value in ATTRIBUTES]
    return (
        BEGIN,
        "warn",
        f"  set acl_m_sendwarden = ${{readsocket{{{_endpoint(listen)}}}{{\\",
        *asked,
        f"    \\n}}{{{TIMEOUT}}}{{}}{{action=DUNNO}}}}",
        *_ANSWERED.strip().splitlines(),
        END,
    )


def _endpoint(listen: str) -> str:
    """The socket in readsocket's words."""
    if listen.startswith("unix:"):
        return listen.removeprefix("unix:")
    address, _, port = listen.rpartition(":")
    return f"inet:{_EVERYWHERE.get(address, address)}:{port}"


def _show(text: tuple[str, ...], output: Output, *, asks_less: bool) -> None:
    told = (*_WHERE, *(f"  {line}" for line in text), *_THEN, *(_SENDERS if asks_less else ()))
    down = f"{WHILE_DOWN[0].upper()}{WHILE_DOWN[1:]} (docs/when-sendwarden-is-down.md)."
    undo = ("To take it out again (FILE is where you put them):", *(f"  {one}" for one in UNDO))
    for line in (*told, down, *undo):
        output.line(line)
