"""``sendwarden connect dovecot``: the lines that let Dovecot ask us about logins. They are only shown.

Dovecot's configuration is a tree of included files in which any line may be meant for one protocol alone, so
that a file of our own beside them is easier to take out again than a change made by a program.

Source: 2.3, its documentation, and tests/e2e/test_dovecot_logins.py with 2.3.19; 2.4, its documentation and
src/auth/auth-settings.c. There `auth_policy_server_timeout_msecs` is gone (an HTTP setting of 2 s by
default), the attributes are a list of their own, and the default ones are those that we read.
"""

import re
import secrets
from collections.abc import Mapping

from sendwarden.cli.configuration import SETTINGS_FILE
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.output import Output
from sendwarden.cli.surroundings import dovecot
from sendwarden.config.load import Loaded

FILE = "/etc/dovecot/conf.d/95-sendwarden.conf"
# Where we listen if nothing is set.
PROPOSED = "127.0.0.1:8601"
_TO_SET = f'set login = "{PROPOSED}" under [listen]'
# A socket that is open to everybody is reached on this machine by its own address.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read here, never bound
_ALWAYS = ("auth_policy_reject_on_fail = no",)
_ATTRIBUTES = (
    "login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} device_id=%{client_id} "
    "protocol=%s session_id=%{session}"
)
# Versions of Dovecot whose lines differ, and what is written beside `_ALWAYS`. 2.3 before 2.3.19 leaves the
# session out if it is not asked for it.
LINES: Mapping[str, tuple[str, ...]] = {
    "2.3": (
        "auth_policy_server_timeout_msecs = 2000",
        f"auth_policy_request_attributes = {_ATTRIBUTES}",
    ),
    "2.4": (),
}
_WHILE_DOWN = (
    "If Sendwarden is down, hangs or answers with an error, Dovecot lets everybody in who has the right",
    "password, a contained account too, after 2 s at most for each of its two questions; its log says so:",
    "docs/when-sendwarden-is-down.md.",
)
# A smtpd of Postfix goes on to ask the auth process that it is connected to, which has read nothing anew.
RELOAD = ("doveadm reload", "postfix reload")
UNDO = (f"rm {FILE}", *RELOAD)


def show(loaded: Loaded, output: Output, *, only_print: bool) -> int:
    """The lines for the Dovecot of this machine; for all versions where there is none, or where asked to."""
    listen = loaded.settings.listen
    if not (listen.login or only_print):
        output.error(f"Nothing to ask: {_TO_SET}, which is off by default")
        return CANNOT
    if not listen.login:
        file = loaded.folder.path / SETTINGS_FILE
        output.line(f"Nothing to ask yet: {_TO_SET} in {file}, which is off by default;")
        output.line("then reload Sendwarden, and give Dovecot these lines.")
    version = dovecot().detail
    nonce = secrets.token_hex(16)
    with_secret = bool(listen.login_secret.get_secret_value())
    found = {
        of: lines(of, (listen.login or [PROPOSED])[0], nonce, with_secret=with_secret)
        for of in LINES
        if only_print or of == lines_for(version) or not version
    }
    output.line(f"Dovecot {version} is here." if version else "Dovecot was not found here.")
    for of, text in found.items():
        _show_lines(of, text, output)
    _show_rest(output, with_secret=with_secret)
    output.record({"server": "dovecot", "found": bool(version), "version": version, "lines": found,
                   "file": FILE, "undo": UNDO, "listens": bool(listen.login), "changed": False})  # fmt: skip
    return GOOD if listen.login else NO


def lines_for(version: str) -> str:
    """Which of `LINES` a version of Dovecot reads; the newest where its number tells nothing."""
    number = re.match(r"(\d+)\.(\d+)", version)
    return "2.3" if number and (int(number[1]), int(number[2])) < (2, 4) else "2.4"


def lines(of: str, listen: str, nonce: str, *, with_secret: bool) -> tuple[str, ...]:
    address, _, port = listen.rpartition(":")
    header = ("auth_policy_server_api_header = Authorization: Basic BASE64",) if with_secret else ()
    return (
        f"auth_policy_server_url = http://{_EVERYWHERE.get(address, address)}:{port}/",
        f"auth_policy_hash_nonce = {nonce}",
        *header,
        *_ALWAYS,
        *LINES[of],
    )


def _show_lines(of: str, text: tuple[str, ...], output: Output) -> None:
    tried = "" if of == "2.3" else " (by its documentation; not tried on a running one)"
    output.line(f"For Dovecot {of}{' and later' if of == '2.4' else ''}{tried}, as {FILE}:")
    for line in text:
        output.line(f"  {line}")


def _show_rest(output: Output, *, with_secret: bool) -> None:
    if with_secret:
        output.line("In place of BASE64 stands what this prints, with your login_secret:")
        output.line("  printf 'wforce:%s' 'SECRET' | base64 -w0")
        output.line(f"and only root needs to read it: chmod 600 {FILE}")
    output.line("The nonce is any random text, the same on all your Dovecot servers; keep one that is there.")
    output.line(
        "Then (Postfix, if its SASL is Dovecot's, keeps to Dovecot's old processes until it is told):"
    )
    for command in RELOAD:
        output.line(f"  {command}")
    for line in _WHILE_DOWN:
        output.line(line)
    output.line("To take it out again:")
    for command in UNDO:
        output.line(f"  {command}")
