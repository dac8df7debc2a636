"""What the settings say of the webmail, and what is wrong with that."""

from collections.abc import Callable, Iterator

from sendwarden.config.limits import networks
from sendwarden.config.positions import Path
from sendwarden.config.schema import Settings
from sendwarden.core.place import Place, Problem, Severity
from sendwarden.engine.webmail import Webmail

PlaceOf = Callable[[Path], Place | None]


def webmail(settings: Settings) -> Webmail:
    """Where no milter is listening nobody sees a header, and the host is all that is known at any time.

    A site that only watches takes nothing out of anybody's mail.
    """
    account, milter = settings.webmail.account, bool(settings.listen.milter)
    sources = tuple(source for source in account if source != "auth")
    clients = settings.webmail.client or [one for one in account if one in ("received", "proxy-ip")]
    return Webmail(
        networks(settings.site.webmail),
        sources if milter else (),
        settings.webmail.header,
        settings.webmail.remove if settings.mode == "enforce" else "never",
        tuple(clients) if milter and _some_mail_waits(settings) else (),
    )


def _some_mail_waits(settings: Settings) -> bool:
    return any(channel.greylist for channel in settings.channel)


def check_webmail(settings: Settings, place_of: PlaceOf) -> Iterator[Problem]:
    account = settings.webmail.account
    if settings.site.webmail and not account:
        says = "all who send by the webmail share one meter, where it relays without SMTP AUTH"
        remedy = 'set webmail.account = ["header"] (docs/webmail.md), or ["auth"] if it logs in for each user'
        yield Problem("SW330", says, place_of(("site", "webmail")), remedy, severity=Severity.WARNING)
    if account and not settings.site.webmail:
        says = "nobody is believed what webmail.account names: site.webmail is empty"
        remedy = 'set site.webmail = ["192.0.2.80"] to the hosts of the webmail'
        yield Problem("SW331", says, place_of(("webmail", "account")), remedy, severity=Severity.WARNING)
    headers = [source for source in account if source != "auth"]
    if headers and not settings.listen.milter:
        says = f"only a milter sees what {', '.join(headers)} looks at, and listen.milter is empty"
        remedy = 'set listen.milter = "127.0.0.1:10032", or webmail.account = ["auth"] with XCLIENT'
        yield Problem("SW332", says, place_of(("webmail", "account")), remedy, severity=Severity.WARNING)
