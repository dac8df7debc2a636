"""SPF as a check of greylisting, with gross's weights: a fail blocks, a softfail weighs 1."""

from sendwarden.core.dns import Route
from sendwarden.core.identity import split_address
from sendwarden.engine.reputation.checks import WRONG, Asking
from sendwarden.engine.reputation.findings import Finding, Said
from sendwarden.engine.spf.check import Sent, check_host
from sendwarden.engine.spf.record import SpfResult

SPF = "spf"


def spf(sent: Sent, route: Route) -> Asking:
    """May the client send mail of this sender? A record that is wrong says nothing, and neither does none."""
    outcome = yield from check_host(sent, route)
    domain = split_address(sent.sender)[1] or sent.helo
    match outcome.result:
        case SpfResult.FAIL:
            told = f"{domain} says: {outcome.why}" if outcome.why else ""
            return Finding(
                SPF, SPF, Said.BLOCK, why=told or f"{domain} does not let this client send its mail"
            )
        case SpfResult.SOFTFAIL:
            return Finding(
                SPF, SPF, Said.LISTED, WRONG, why=f"{domain} would rather not have this client send"
            )
        case SpfResult.TEMPERROR:
            return Finding(SPF, SPF, Said.UNKNOWN, why=outcome.why)
    return Finding(SPF, SPF, Said.CLEAR, why=outcome.why)
