"""Messages of our own, handed to a mail server by SMTP with the null sender (RFC 5321 section 4.5.5)."""

import aiosmtplib

from sendwarden.core.errors import SendwardenError

TIMEOUT_S = 30.0


class NotTaken(SendwardenError):
    """The mail server did not take the message. ``final``: trying again will not help."""

    def __init__(self, says: str, *, final: bool) -> None:
        super().__init__(says)
        self.final = final


async def hand_over(smtp: str, recipient: str, message: bytes) -> None:
    """Give one message to the server at ``host:port`` or ``unix:/path``. Raises `NotTaken`."""
    if not recipient or not recipient.isprintable():  # a line end in it would be a command of its own
        raise NotTaken(f"{recipient!a} is no address", final=True)
    host, _, port = smtp.rpartition(":")
    to_path = smtp.startswith("unix:")
    client = aiosmtplib.SMTP(
        hostname=None if to_path else host.strip("[]"),
        port=None if to_path else int(port),
        socket_path=smtp.removeprefix("unix:") if to_path else None,
        start_tls=False,
        timeout=TIMEOUT_S,
    )
    try:
        async with client:
            await client.sendmail("", [recipient], message)
    except aiosmtplib.SMTPRecipientsRefused as refused:
        codes = [one.code for one in refused.recipients]
        raise NotTaken(str(refused), final=all(code >= 500 for code in codes)) from refused  # noqa: PLR2004
    except aiosmtplib.SMTPResponseException as answer:
        raise NotTaken(str(answer), final=answer.code >= 500) from answer  # noqa: PLR2004 - RFC 5321 4.2.1
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotTaken(str(error), final=False) from error
    except ValueError as error:  # an address that cannot be said in SMTP, or not to this server
        raise NotTaken(str(error), final=True) from error
