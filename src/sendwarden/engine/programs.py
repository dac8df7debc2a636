"""Which program on the mail server handed a message in: by user, or by script where PHP says so.

Postfix shows mail of sendmail(1) to milters (non_smtpd_milters) as a client "localhost [127.0.0.1]" with
port 0, which no client of the network can have. Who ran sendmail stands in the Received field of pickup(8),
``by HOST (Postfix, from userid 1000)``, ``id QUEUEID``, and milters are not shown that one. header_checks can
copy both into a field `USER`, ``1000 QUEUEID``. A program can write such a field itself, but not with the
queue id, which it does not know: one without it is not believed.

X-PHP-Originating-Script is ``UID:FILE``, of the script's owner (php.ini: mail.add_x_header). Any program can
write that one.
"""

import re
from collections.abc import Iterable
from typing import Literal

Headers = Iterable[tuple[str, str]]
# What programs are told apart by.
Apart = Literal["together", "uid", "script"]

LOOPBACK = "127.0.0.1"
LOCALHOST = "localhost"
# The field that header_checks makes, and how PHP names a script.
USER = "x-local-user"
SCRIPT = "x-php-originating-script"
# Letters of a script's name.
SCRIPT_LETTERS = 200

_USER = re.compile(r"(\d{1,10}) (\S+)")
_SCRIPT = re.compile(r"\s*(\d{1,10}:[!-~]+)\s*")


def is_local(address: str, name: str, port: int) -> bool:
    """Was this handed in by sendmail(1), as Postfix shows it to a milter?"""
    return (address, name, port) == (LOOPBACK, LOCALHOST, 0)


def program_of(headers: Headers, queue_id: str, apart: Apart) -> str:
    """``uid:1000``, ``script:1000:form.php``, or "" where nothing says."""
    user = ""
    for name, value in headers:
        lower = name.lower()
        if lower == SCRIPT and apart == "script":
            if found := _SCRIPT.fullmatch(value):
                return f"script:{found[1][:SCRIPT_LETTERS]}"
        elif lower == USER and not user:
            found = _USER.fullmatch(value.strip())
            user = found[1] if found and found[2] == queue_id else ""
    return f"uid:{user}" if user else ""
