"""Runs `.svtest` files: Sieve scripts that test a Sieve engine, in the language of Pigeonhole's test suite.

The language is Sieve with one more extension, ``vnd.dovecot.testsuite``, and this module is that extension,
made of nothing but the engine's public hook (docs/sieve-extensions.md): a `Bench` is the host, its methods
are `live` handlers. A file's ``test "name" { ... }`` blocks are its cases; each passes unless something in it
fails.

Source of the meaning of its commands: Pigeonhole's suite and the comments in its sources. Carrying out a
result is a mail server's work, not the engine's: `Bench` keeps mailboxes and outgoing mail in memory.

A case that does not compile fails alone: the rest of its file is run without it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sendwarden.core.identity import bare_address
from sendwarden.engine.sieve.compile import Script, compile_script
from sendwarden.engine.sieve.ext import CAPABILITIES
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.outcome import Action, Discard, FileInto, Keep, Redirect, Reject
from sendwarden.engine.sieve.parse import Node, StringArgument, parse
from sendwarden.engine.sieve.registry import Call, Capability, Language, Parameter, Spec, Tag, live
from sendwarden.engine.sieve.run import Run, SieveError

# What Pigeonhole calls the actions of a result.
ACTION_NAMES: dict[type[Action], str] = {
    Keep: "keep",
    FileInto: "store",
    Redirect: "redirect",
    Reject: "reject",
    Discard: "discard",
}
# Pigeonhole ends a list of errors found while compiling with one that says so, and its suite counts it.
LAST_ERROR = "validation failed"
# A path as a mail server takes it (RFC 5321 section 4.1.2); any other never becomes part of an envelope.
_DOMAIN = r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)"
_LOCAL = r"""(?:[^\s<>()@,;:\\"\[\]]+|"(?:[^"\\]|\\.)*")"""
_PATH = re.compile(rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?{_LOCAL}@{_DOMAIN}|{_LOCAL}|")


Handler = Callable[[Call], bool | None]
Kind = Literal["command", "test", "both"]


class Failed(Exception):
    """The case at work failed; the message says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a file. ``failure``: why it failed, "" if it passed."""

    name: str
    failure: str = ""


def message(text: str) -> Mail:
    """A message as text, to header pairs as a mail server hands them over."""
    head, _, body = text.partition("\r\n\r\n")
    pairs: list[tuple[str, str]] = []
    for line in head.split("\r\n"):
        if line[:1] in (" ", "\t") and pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]}\n{line}")
        elif ":" in line:
            name, _, value = line.partition(":")
            pairs.append((name, value))
    return Mail(pairs, body=body.encode("utf-8", "replace"), size_bytes=len(text.encode("utf-8", "replace")))


@dataclass(slots=True)
class Bench:
    """The host of one file: what its cases set up and look at."""

    folder: Path
    auth: str = ""
    script: Script | None = None
    result: tuple[list[Action], bool] | None = None  # of the last script, with its implicit keep
    errors: list[str] = field(default_factory=list)
    mailboxes: dict[str, list[Mail]] = field(default_factory=lambda: {"INBOX": []})
    outgoing: list[Mail] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)

    # --- the frame of a case

    def test(self, call: Call) -> None:
        failure = ""
        self.errors.clear()
        try:
            call.run_block()  # "stop" ends the case, not the file
        except (Failed, SieveError) as error:
            failure = str(error) or "no reason given"
        self.cases.append(Case(call.text("name"), failure))

    def test_fail(self, call: Call) -> None:
        raise Failed(f"line {call.line}: {call.text('reason')}")

    # --- the message

    def test_set(self, call: Call) -> None:
        name, value, run = call.text("object").lower(), call.text("value"), call.run
        mail = run.mail
        if name == "message":
            new = message(value)
            run.mail = Mail(new.headers, mail.sender, mail.recipients, new.body, new.size_bytes)
            return
        path = value.strip()
        if path[:1] == "<":
            path = path[1:-1] if path[-1] == ">" else "<"  # without its end it is none
        path = bare_address(f"<{path}>") if _PATH.fullmatch(path) else ""
        if name == "envelope.from":
            run.mail = Mail(mail.headers, path, mail.recipients, mail.body, mail.size_bytes)
        elif name == "envelope.to":
            run.recipients = (path,) if path else ()
        elif name == "envelope.auth":
            self.auth = value

    def test_message(self, call: Call) -> bool:
        mails = self.outgoing
        if call.tag("where") == ":folder":
            mails = self.mailboxes.get(call.tag_text("where"), [])
        number = call.number("index")
        if number < len(mails):
            call.run.mail, call.run.recipients = mails[number], mails[number].recipients
            return call.is_test
        if call.is_test:
            return False
        raise Failed(f"line {call.line}: there is no message {number}")

    # --- scripts and their results

    def test_script_compile(self, call: Call) -> bool:
        name = call.text("script")
        self.script, problems = compile_script(name, _text(self.folder / name), Language(CAPABILITIES))
        self.errors[:] = [] if self.script else [*(problem.sentence for problem in problems), LAST_ERROR]
        return self.script is not None

    def test_script_run(self, call: Call) -> bool:
        if self.script is None:
            raise Failed(f"line {call.line}: no script was compiled")
        outcome = self.script.run(call.run.mail, call.run.recipients)
        self.errors[:] = [outcome.error.says] if outcome.error else []
        earlier = self.result if call.tag("append") else None
        before, kept = earlier or ([], True)
        self.result = ([*before, *outcome.actions], kept and outcome.implicit_keep)
        return outcome.error is None

    def actions(self, run: Run) -> list[Action]:
        """The result of the last script, or else of this file's own actions."""
        actions, implicit_keep = self.result or (run.actions, run.implicit_keep)
        return [*actions, Keep(0)] if implicit_keep else list(actions)

    def test_result_execute(self, call: Call) -> bool:
        mail = call.run.mail
        for action in self.actions(call.run):
            match action:
                case FileInto(_, mailbox) if mailbox not in self.mailboxes:
                    self.errors.append(f"failed to store into mailbox '{mailbox}': it does not exist")
                    return False
                case FileInto(_, mailbox):
                    self.mailboxes[mailbox].append(mail)
                case Keep():
                    self.mailboxes["INBOX"].append(mail)
                case Redirect(_, address):
                    self.outgoing.append(Mail(mail.headers, mail.sender, (address,), mail.body))
                case Reject() if mail.sender:
                    headers = (("From", "Postmaster <postmaster@example.org>"), ("To", f"<{mail.sender}>"))
                    self.outgoing.append(Mail(headers, "", (mail.sender,)))
        return True

    def test_result_action(self, call: Call) -> bool:
        return self._match_one_of(call, [ACTION_NAMES[type(action)] for action in self.actions(call.run)])

    def test_result_reset(self, call: Call) -> None:
        run = call.run
        self.result, run.implicit_keep, run.redirects = None, True, 0
        run.actions.clear()
        self.outgoing.clear()

    def test_error(self, call: Call) -> bool:
        return self._match_one_of(call, self.errors)

    def _match_one_of(self, call: Call, texts: list[str]) -> bool:
        if not call.tag("index"):
            return call.match(texts)
        number = call.tag_number("index")
        return call.match(texts[number - 1 : number])

    # --- the rest of the host

    def test_mailbox_create(self, call: Call) -> None:
        self.mailboxes.setdefault(call.text("mailbox"), [])

    def test_mailbox_delete(self, call: Call) -> None:
        self.mailboxes.pop(call.text("mailbox"), None)

    def test_config_set(self, call: Call) -> None:
        self.settings[call.text("setting")] = call.text("value")

    def test_config_unset(self, call: Call) -> None:
        self.settings.pop(call.text("setting"), None)

    def nothing(self, _call: Call) -> None:
        """Commands about stored bytecode, printing and reloading, of which there is none here."""

    def capability(self) -> Capability:
        def spec(name: str, handler: Handler, *strings: str, kind: Kind = "command") -> Spec:
            return Spec(name, kind, live(handler), tuple(Parameter(s, "string") for s in strings))

        keys = (Parameter("keys", "strings"),)
        index = (Tag(":index", "index", "number"),)
        where = (Tag(":smtp", "where"), Tag(":folder", "where", "string"))
        append = (Tag(":append_result", "append"),)
        one_name = (Parameter("name", "string"),)
        reload = Tag(":extension", "extension", "string")
        return Capability(
            "vnd.dovecot.testsuite",
            (
                Spec("test", "command", live(self.test), one_name, block="must"),
                spec("test_fail", self.test_fail, "reason"),
                spec("test_set", self.test_set, "object", "value"),
                Spec("test_message", "both", live(self.test_message), (Parameter("index", "number"),), where),
                spec("test_message_print", self.nothing),
                spec("test_script_compile", self.test_script_compile, "script", kind="test"),
                Spec("test_script_run", "test", live(self.test_script_run), tags=append),
                spec("test_result_execute", self.test_result_execute, kind="test"),
                Spec("test_result_action", "test", live(self.test_result_action), keys, index, matching=True),
                spec("test_result_reset", self.test_result_reset),
                spec("test_result_print", self.nothing),
                Spec("test_error", "test", live(self.test_error), keys, index, matching=True),
                spec("test_mailbox_create", self.test_mailbox_create, "mailbox"),
                spec("test_mailbox_delete", self.test_mailbox_delete, "mailbox"),
                spec("test_config_set", self.test_config_set, "setting", "value"),
                spec("test_config_unset", self.test_config_unset, "setting"),
                Spec("test_config_reload", "command", live(self.nothing), tags=(reload,)),
                spec("test_binary_load", self.nothing, "binary"),
                spec("test_binary_save", self.nothing, "binary"),
            ),
            envelope_parts={"auth": lambda _run: (self.auth,)},
        )


def names_of(file: Path) -> list[str]:
    """The names of the cases that stand in a file."""
    commands, _ = parse(_text(file))
    return [_name(command) for command in commands if command.name == "test"]


def run_file(file: Path) -> list[Case]:
    """All cases of a file, in order."""
    text = _text(file)
    commands, _ = parse(text)
    whole = _run(file, text)
    if isinstance(whole, list):
        return whole
    cases = []
    for case, alone in _alone(text, commands):
        result = _run(file, alone)
        cases += result if isinstance(result, list) else [Case(case, result)]
    return cases


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "surrogateescape")


def _run(file: Path, text: str) -> list[Case] | str:
    """The cases of a script, or why it does not compile."""
    bench = Bench(file.parent)
    script, problems = compile_script(file.name, text, Language((bench.capability(), *CAPABILITIES)))
    if script is None:
        return "does not compile: " + "; ".join(problem.sentence for problem in problems)
    outcome = script.run(Mail(()), ())
    if outcome.error:
        bench.cases.append(Case("the file", f"line {outcome.error.line}: {outcome.error.says}"))
    return bench.cases


def _alone(text: str, commands: tuple[Node, ...]) -> Iterator[tuple[str, str]]:
    """Each case of a script by name, with a script that has no other."""
    starts = [command.span.start for command in commands]
    pieces = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    for chosen, command in enumerate(commands):
        if command.name == "test":
            kept = (
                piece
                for number, piece in enumerate(pieces)
                if number == chosen or commands[number].name != "test"
            )
            yield _name(command), "\n".join(kept)


def _name(command: Node) -> str:
    match command.arguments:
        case (StringArgument((name,)), *_):
            return name.string
        case _:
            return "?"
