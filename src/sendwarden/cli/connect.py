"""``sendwarden connect postfix``: the lines that let Postfix ask us, shown, explained, and made on request.

What Dovecot is told stands in `connect_dovecot`, what Exim is in `connect_exim`.

Everything is set for our services alone (``{ inet:... , timeout=... }``, Postfix 3.0 and later), so that no
other policy server or milter is touched: what happens while we are down is spelled out in the line itself.
Before a change main.cf is copied, and the commands that take the change back are printed.
"""

import argparse
import difflib
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sendwarden.cli import connect_dovecot, connect_exim, local_programs, standing
from sendwarden.cli.configuration import NoSettings, add_config, load_configuration, settings_file
from sendwarden.cli.exits import CANNOT, GOOD, NO
from sendwarden.cli.local_programs import INLINE_SINCE, by_file, program_lines, version_of
from sendwarden.cli.output import Output
from sendwarden.cli.pasted import command_for
from sendwarden.cli.words import one_of
from sendwarden.config.load import Loaded
from sendwarden.core.errors import SendwardenError
from sendwarden.service.site import Site

# Below what Postfix takes for a client that hangs, above our own deadline of 1 s.
TIMEOUTS = "connect_timeout=2s, command_timeout=2s, content_timeout=3s"
POLICY_TIMEOUTS = "timeout=2s, try_limit=1, default_action=DUNNO"
# Where Postfix's tools may be, whatever the caller's own path is.
PROGRAMS = "/usr/sbin:/usr/bin:/usr/local/sbin"
ASK_TIMEOUT_S = 10
SENDMAIL = "sendmail"
# Mail servers whose lines are shown, and whose files we leave alone.
_ONLY_SHOWN = {"dovecot": connect_dovecot.show, "exim": connect_exim.show}
# What Postfix does by each default action that we propose.
_WHILE_DOWN = {
    "accept": "while Sendwarden is down mail passes unchecked",
    "quarantine": "while Sendwarden is down mail is accepted and waits in the hold queue (postsuper -H ALL "
    "releases it)",
    "DUNNO": "while Sendwarden is down mail passes here unchecked",
}
_PAGE = "docs/when-sendwarden-is-down.md"
_LIMITS = "docs/limits.md"
# A socket that is open to everybody is reached on this machine by its own address.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read here, never bound


class PostfixSays(SendwardenError):
    """A tool of Postfix failed; the text is what it said."""


@dataclass(slots=True)
class Plan:
    """What would change in main.cf: old and new values, and how to take it out again by hand."""

    before: dict[str, str]
    changes: dict[str, str]
    undo: list[str] = field(default_factory=list)


class Postfix:
    """Postfix's own tools, for one configuration folder."""

    def __init__(self, program: str, folder: str) -> None:
        self._program = program
        self._folder = folder

    def ask(self, *words: str) -> str:
        """What postconf prints. Raises `PostfixSays`."""
        command = [self._program, *(["-c", self._folder] if self._folder else []), *words]
        try:
            done = subprocess.run(  # noqa: S603 - postconf, with names and lines from `postfix_lines`
                command, capture_output=True, text=True, errors="replace", timeout=ASK_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise PostfixSays(f"{self._program}: {error}") from error
        if done.returncode:
            raise PostfixSays(done.stderr.strip() or f"{self._program} failed")
        return done.stdout

    def value(self, name: str) -> str:
        return " ".join(self.ask("-h", name).split())

    def order(self, changes: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Who is asked in turn, variables expanded: by main.cf (""), and by services with their own values.

        ``changes`` of main.cf are taken to be made already.
        """
        made = [word for name, value in changes.items() for word in ("-o", f"{name}={value}")]
        whole = {name: " ".join(self.ask(*made, "-xh", name).split()) for name in standing.NAMES}
        found = {"": whole}
        for line in self.ask(*made, "-xP").splitlines():
            place, _, value = line.partition("=")
            service, _, name = place.strip().rpartition("/")
            if name in standing.NAMES:
                found.setdefault(service, dict(whole))[name] = value.strip()
        return found

    def is_set(self, name: str) -> bool:
        """Does main.cf set it, or is its value the default?"""
        return bool(self.ask("-n", name).strip())

    def overrides(self, names: Iterable[str]) -> dict[str, str]:
        """What services of master.cf set for themselves: "submission/inet/smtpd_milters", and its value."""
        lines = [line.partition("=") for line in self.ask("-P").splitlines()]
        found = {name.strip(): value.strip() for name, _, value in lines}
        return {name: value for name, value in found.items() if name.rpartition("/")[2] in names}

    def by_hand(self, program: str, *words: str) -> str:
        """A command as somebody would type it."""
        return shlex.join([program, *(["-c", self._folder] if self._folder else []), *words])

    @property
    def main_cf(self) -> Path:
        return Path(self._folder or self.value("config_directory")) / "main.cf"


def _mail_server(text: str) -> str:
    """Raises `ArgumentTypeError`."""
    if text.lower() == SENDMAIL:
        return SENDMAIL
    return one_of("mail server", "postfix", *_ONLY_SHOWN)(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    servers = "|".join(("postfix", *_ONLY_SHOWN))
    parser.add_argument("server", metavar=servers, type=_mail_server, help="which mail server")
    parser.add_argument("--print", dest="only_print", action="store_true", help="only show, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--folder", default="", metavar="DIR", help="Postfix's configuration, if not /etc/postfix"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.server == SENDMAIL:
        output.error(f"Sendmail's lines are written by hand, and stand in {_PAGE}")
        return CANNOT
    try:
        loaded = load_configuration(arguments)
    except NoSettings as error:
        output.error(str(error))
        return CANNOT
    if not loaded.usable:
        check = command_for(arguments.config)("check")
        output.error(f"The configuration has errors, so that nobody could ask by it: {check}")
        return NO
    with_server = _only_shown if arguments.server in _ONLY_SHOWN else _postfix
    return with_server(loaded, arguments, output)


def _postfix(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> int:
    wanted = postfix_lines(loaded)
    if not wanted:
        output.error("Nothing to ask: [listen] names no milter, and no channel judges senders")
        return CANNOT
    if not arguments.config and settings_file(None) is None:
        output.line("By the embedded defaults, which only watch; --config names the settings of the daemon.")
    try:
        return _with_postfix(wanted, sockets(loaded), arguments, output)
    except PostfixSays as error:
        output.error(f"main.cf was not changed: {error}")
        return CANNOT


def _only_shown(loaded: Loaded, arguments: argparse.Namespace, output: Output) -> int:
    server = arguments.server
    if arguments.yes or arguments.folder:
        name = server.capitalize()
        output.error(f"{name}'s files are not changed by this command: leave out --yes and --folder")
        return CANNOT
    return _ONLY_SHOWN[server](loaded, output, only_print=arguments.only_print)


def _with_postfix(
    wanted: dict[str, str], ours: standing.Sockets, arguments: argparse.Namespace, output: Output
) -> int:
    if arguments.folder and not (Path(arguments.folder) / "main.cf").is_file():
        raise PostfixSays(f"{arguments.folder} has none; name the folder of Postfix's configuration")
    program = shutil.which("postconf", path=PROGRAMS)
    if program is None:
        found = {"server": "postfix", "found": False, "settings": wanted}
        output.record({**found, "while_down": while_down(wanted)})
        return _show_generic(wanted, output, asked_to_change=not arguments.only_print)
    return _connect(Postfix(program, arguments.folder), wanted, ours, arguments, output)


def _connect(
    postfix: Postfix,
    wanted: dict[str, str],
    ours: standing.Sockets,
    arguments: argparse.Namespace,
    output: Output,
) -> int:
    old = version_of(postfix.value("mail_version")) < INLINE_SINCE and wanted.pop(local_programs.CHECKS, "")
    plan = _plan(postfix, wanted)
    overrides = postfix.overrides(wanted)
    behind = behind_us(postfix, ours, plan.changes) or []
    backup = ""
    if not plan.changes:
        output.line("Postfix asks us already; nothing to change.")
    else:
        _show(postfix, plan, wanted, output)
        only_show = arguments.only_print or (output.as_json and not arguments.yes)
        if not only_show and not arguments.yes and not _agreed(output):
            output.line("Nothing was changed.")
            return NO
        if not only_show:
            backup = str(_change(postfix, plan))
            _done(postfix, plan, backup, output)
    for line in by_file(postfix.main_cf.parent) if old else ():
        output.line(line)
    if overrides:
        output.line("These services of master.cf have their own value, and do not ask us by main.cf's:")
        for name, value in overrides.items():
            output.line(f"  {name} = {value}")
        output.line("Take those out, or put our entry there as well (postconf -P).")
    if behind:
        output.line(
            f"What these refuse counts until its window ends, since they stand behind us ({_LIMITS}):"
        )
        for one in behind:
            output.line(f"  {one.setting}: {', '.join(one.entries)}   ({one.remedy})")
    found = {"server": "postfix", "found": True, "settings": wanted, "changes": plan.changes}
    found |= {"while_down": while_down(wanted), "behind": {one.setting: one.entries for one in behind}}
    output.record(
        {**found, "overrides": overrides, "changed": bool(backup), "backup": backup, "undo": plan.undo}
    )
    return GOOD


def postfix_lines(loaded: Loaded) -> dict[str, str]:
    """Our entry for each setting of main.cf.

    While only watching, mail passes if we are down; else it is held.
    """
    default = "quarantine" if loaded.enforcing else "accept"
    listen = loaded.settings.listen
    lines = {}
    if listen.milter:
        lines["smtpd_milters"] = f"{{ {_endpoint(listen.milter[0])}, {TIMEOUTS}, default_action={default} }}"
    lines |= program_lines(loaded.site, lines.get("smtpd_milters", ""))
    if listen.policy and _needs_policy(loaded.site):
        policy = f"check_policy_service {{ {_endpoint(listen.policy[0])}, {POLICY_TIMEOUTS} }}"
        lines["smtpd_recipient_restrictions"] = policy
        if any(channel.limits for channel in loaded.site.channels):  # what was reserved is settled at the end
            lines["smtpd_end_of_data_restrictions"] = policy
    return lines


def _needs_policy(site: Site) -> bool:
    """Is there anything that the milter alone cannot do, or not as early?"""
    elsewhere = any(channel.over_limit.transport for channel in site.channels)
    return site.judges_senders or elsewhere or bool(site.access_stages("policy"))


def while_down(lines: Mapping[str, str]) -> dict[str, str]:
    """What Postfix does while we are down, by the default action of each of our entries."""
    found = {name: re.search(r"default_action=(\w+)", line) for name, line in lines.items()}
    return {name: _WHILE_DOWN[action[1]] for name, action in found.items() if action}


def _show_while_down(lines: Mapping[str, str], output: Output) -> None:
    output.line(f"If Sendwarden is stopped or hangs ({_PAGE} has the details):")
    for name, says in while_down(lines).items():
        output.line(f"  {name}: {says}")


def sockets(loaded: Loaded) -> standing.Sockets:
    """How Postfix's settings may name ours."""
    listen = loaded.settings.listen
    return standing.Sockets(
        standing.spellings(map(_endpoint, listen.milter)), standing.spellings(map(_endpoint, listen.policy))
    )


def behind_us(
    postfix: Postfix, ours: standing.Sockets, changes: Mapping[str, str]
) -> list[standing.Behind] | None:
    """Who may refuse what we have charged; None: no service of this Postfix asks us. Raises `PostfixSays`."""
    order = postfix.order(changes)
    asking = {service: values for service, values in order.items() if standing.asks_us(values, ours)}
    found = list(standing.behind(order[""], ours))
    for service, values in asking.items():
        others = [one for one in standing.behind(values, ours) if one not in found]
        found += [replace(one, setting=f"{service}/{one.setting}") for one in others]
    return found if asking else None


def expanded(postfix: Postfix, names: Iterable[str]) -> dict[str, str]:
    """Values of main.cf with their variables. Raises `PostfixSays`."""
    return {name: " ".join(postfix.ask("-xh", name).split()) for name in names}


def _endpoint(listen: str) -> str:
    if listen.startswith("unix:"):
        return listen
    address, _, port = listen.rpartition(":")
    return f"inet:{_EVERYWHERE.get(address, address)}:{port}"


def _plan(postfix: Postfix, wanted: dict[str, str]) -> Plan:
    before = {name: postfix.value(name) for name in wanted}
    after = {name: joined(before[name], line, name) for name, line in wanted.items()}
    plan = Plan(before, {name: value for name, value in after.items() if value != before[name]})
    for name in plan.changes:
        words = ("-e", f"{name} = {before[name]}") if postfix.is_set(name) else ("-X", name)
        plan.undo.append(postfix.by_hand("postconf", *words))
    plan.undo.append(postfix.by_hand("postfix", "reload"))
    return plan


def joined(before: str, line: str, name: str) -> str:
    """Our entry beside what stands there: last of the milters, first of the restrictions.

    An entry of ours that stands there already, perhaps with other time-outs, is replaced.
    """
    if name == local_programs.CHECKS:
        return before if line in before else ", ".join(filter(None, (line, before)))
    if name == local_programs.MILTERS and local_programs.THE_SAME in before:
        return before
    milters = name in ("smtpd_milters", local_programs.MILTERS)
    found = re.search(r"(?:inet|unix):[^\s,}]+", line)
    assert found is not None
    socket = re.escape(found[0])
    command = "" if milters else r"check_policy_service\s+"
    ours = re.compile(rf"(?<![^\s,]){command}(?:\{{\s*{socket}\s*(?:,[^{{}}]*)?\}}|{socket})(?![^\s,])")
    if ours.search(before):
        return ours.sub(lambda _found: line, before, count=1)
    if not before:
        return line
    return f"{before}, {line}" if milters else f"{line}, {before}"


def _show(postfix: Postfix, plan: Plan, wanted: Mapping[str, str], output: Output) -> None:
    output.line("These lines of main.cf would change:")
    for name, value in plan.changes.items():
        old = [f"{name} = {plan.before[name]}".rstrip()]
        for line in list(difflib.unified_diff(old, [f"{name} = {value}"], lineterm="", n=0))[3:]:
            output.line(f"  {line}")
    _show_while_down({name: wanted[name] for name in plan.changes}, output)
    output.line("The same by hand:")
    for name, value in plan.changes.items():
        output.line(f"  {postfix.by_hand('postconf', '-e', f'{name} = {value}')}")
    output.line(f"  {postfix.by_hand('postfix', 'reload')}")
    _show_undo(plan, output)


def _show_undo(plan: Plan, output: Output) -> None:
    output.line("To take it out again:")
    for command in plan.undo:
        output.line(f"  {command}")


def _show_generic(wanted: dict[str, str], output: Output, *, asked_to_change: bool) -> int:
    output.line("Postfix was not found here. On the mail server, add to main.cf:")
    for name, line in wanted.items():
        output.line(f"  {name} = {line}")
    output.line(
        "(behind the milters, before the restrictions, that stand there already), then: postfix reload"
    )
    _show_while_down(wanted, output)
    output.line("To take it out again, take these out of main.cf, then: postfix reload")
    return CANNOT if asked_to_change else GOOD


def _agreed(output: Output) -> bool:
    output.write("Make this change? [y/N] ")
    output.end()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _change(postfix: Postfix, plan: Plan) -> Path:
    """Make it; where the copy of the old file is. Raises `PostfixSays`."""
    main = postfix.main_cf
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (f"main.cf.before-sendwarden-{stamp}{more}" for more in ("", *(f"-{n}" for n in range(2, 100))))
    backup = next(path for name in names if not (path := main.with_name(name)).exists())
    try:
        shutil.copy2(main, backup)
    except OSError as error:
        raise PostfixSays(f"no copy of it could be made: {error.strerror}") from error
    postfix.ask("-e", *(f"{name} = {value}" for name, value in plan.changes.items()))
    return backup


def _done(postfix: Postfix, plan: Plan, backup: str, output: Output) -> None:
    output.line(f"Done. A copy of the old file: {backup}")
    output.line(f"Now: {postfix.by_hand('postfix', 'reload')}")
    _show_undo(plan, output)
