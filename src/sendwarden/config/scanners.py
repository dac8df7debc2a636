"""Scanners and score headers as the settings have them, and the adapters for those that are asked."""

from collections.abc import Callable, Mapping

from sendwarden.config.kinds import OnFinding
from sendwarden.config.limits import networks
from sendwarden.config.schema import Settings
from sendwarden.config.traffic import ScannerSettings
from sendwarden.core.decision import Verdict
from sendwarden.engine.handover import ScoreSource
from sendwarden.lookups.clamd import Clamd
from sendwarden.lookups.spamd import Spamd
from sendwarden.service.ports import Clock, EventLog, Scanner
from sendwarden.service.scanning import Ours, Scanning
from sendwarden.service.site import Bounds, Site

ON_FINDING: Mapping[OnFinding, Verdict] = {
    "pass": Verdict.ACCEPT,
    "hold": Verdict.HOLD,
    "discard": Verdict.DISCARD,
    "refuse": Verdict.REFUSE,
}


def _rspamd(name: str, place: str) -> Scanner:
    from sendwarden.lookups.rspamd import Rspamd  # noqa: PLC0415 - an HTTP client, if asked for

    return Rspamd(name, place)


# Kind -> its adapter, and where it listens as its package has it.
KINDS: Mapping[str, tuple[Callable[[str, str], Scanner], str]] = {
    "spamd": (Spamd, "127.0.0.1:783"),
    "rspamd": (_rspamd, "127.0.0.1:11333"),
    "clamd": (Clamd, "unix:/run/clamav/clamd.ctl"),
}


def bounds(settings: Settings) -> Mapping[str, Bounds]:
    """How long each scanner is waited for, and what it is given at most."""
    return {one.name: Bounds(one.timeout, one.largest) for one in settings.scanner}


def score_headers(settings: Settings) -> Mapping[str, ScoreSource]:
    """Headers that others write; of two settings for one header the first counts (SW117)."""
    found: dict[str, ScoreSource] = {}
    for one in settings.score_header:
        header = one.header.lower()
        if header not in {source.header for source in found.values()}:
            found[one.name] = ScoreSource(one.name, header, networks(one.writers), one.threshold)
    return found


def scanning_of(settings: Settings, site: Site, clock: Clock, log: EventLog) -> Scanning | None:
    """All scanners that some channel has asked; None: there are none."""
    if not site.scans:
        return None
    asked = [_adapter(one) for one in settings.scanner if one.name in site.scans]
    ours = Ours(site.host, (*site.internal, *site.webmail.hosts), site.relays)
    return Scanning(asked, site.scanners, ours, clock, log)


def _adapter(own: ScannerSettings) -> Scanner:
    adapter, usual = KINDS[own.kind]
    return adapter(own.name, own.at or usual)
