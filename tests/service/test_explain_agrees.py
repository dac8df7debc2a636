"""`explain` and the real path decide the same: a thousand random messages by milter, each explained before.

The real path is a milter connection in this process, bytes in and bytes out, over meters that the journal
writes to a state file. Explain reads that file and the same configuration, and nothing else of the daemon.
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from sendwarden.cli.explain import Explanation, explain, to_message
from sendwarden.cli.probe import WallClock
from sendwarden.config.load import Loaded
from sendwarden.core.decision import Decision, Verdict
from sendwarden.core.identity import bare_address
from sendwarden.core.texts import refusal_text
from sendwarden.frontends.milter import MilterConnection
from sendwarden.service.conclude import Conclusions
from sendwarden.service.gate import Gate
from sendwarden.service.judge import Judge
from sendwarden.service.ports import Ledger, Outside, References
from sendwarden.stores.journal import Journal
from sendwarden.stores.memory import MemoryMeters
from sendwarden.wire.milter.commands import (
    EndOfMessage,
)
from sendwarden.wire.milter.replies import (
    AddHeader,
    AddRecipient,
    Answer,
    DeleteRecipient,
    Quarantine,
    Reply,
    ReplyCode,
    clean_lines,
)
from tests.config.folder import example, load_folder
from tests.service.mailserver import LISTENER, MailServer, Sent
from tests.service.outside import Counted, FakeLedger, Posted
from tests.stores.around import KeptLog

# In CI; `PROPERTIES=1000` (make fuzz) looks at ten times as many.
MESSAGES = 4 * int(os.environ.get("PROPERTIES", "100"))
SETTINGS = """
mode = "enforce"
state = "var"
[site]
domains = ["example.org"]
internal = ["10.0.0.0/8"]
relays = ["10.9.0.0/16"]
[accounts]
realms = ["example.org"]
[[channel]]
name = "own"
login = true
networks = ["10.0.0.0/8"]
senders = "own"
sourcefilter = "file:IMTA_TABLE:authspam.filter"
[[channel]]
name = "watched"
mode = "watch"
login = true
networks = ["198.51.100.0/24"]
senders = "own"
header_from = "own"
sourcefilter = "actions.filter"
[[channel]]
name = "submission"
login = true
header_from = "own"
foreign_sender = "tag"
sourcefilter = "file:IMTA_TABLE:authspam.filter"
destinationfilter = { internal = "actions.filter", "list.example" = "count.filter" }
[[channel]]
name = "deferring"
login = false
networks = ["10.0.0.0/8"]
refusal = "defer"
unauthenticated = "discard"
sourcefilter = "actions.filter"
[[channel]]
name = "outside"
login = false
count = "message"
sourcefilter = "actions.filter"
destinationfilter = { external = "count.filter" }
"""
ACTIONS = r"""
require ["reject", "envelope", "variables", "fileinto", "copy", "relational", "comparator-i;ascii-numeric"];
if size :over 3K { hold; }
if header :matches "X-Do" "refuse *" { reject "Not ${1}, please.
Ask again."; }
elsif header :is "X-Do" "discard" { discard; }
elsif header :is "X-Do" "file" { fileinto "Junk"; }
elsif header :is "X-Do" "move" { redirect "moved@example.net"; }
elsif header :is "X-Do" "copy" { redirect :copy "moved@example.net"; capture "copy@example.org"; }
elsif header :is "X-Do" "stop" { redirect "a@example.net"; reject "both"; }
if header :contains "Subject" "grüße" { capture "subjects@example.org"; }
if header :matches "Subject" ["*\nfolded*", "*folded*"] { transactionlog "${0}"; }
if header :value "gt" :comparator "i;ascii-numeric" "X-Number" "500" { capture "numbers@example.org"; }
if envelope :matches :localpart "to" "d*" { set "who" "d${1}"; discard; }
if not exists ["From", "X-Do"] { transactionlog "plain ${who}"; }
if address :is :domain "From" "evil.example" { jettison; }
"""
COUNT = r"""
require ["reject", "envelope", "variables"];
if envelope :matches "to" "*" { set "to" "${1}"; }
if envelope :matches "from" "*" { set "from" "${1}"; }
set "told" count("${from}|${to}");
if not string :is "${told}" "" { reject "${told}"; }
"""
MAPPINGS = r"""
FILTER_COUNT
*|abuse@* $N$E
%*|*@list.example $[IMTA_LIB:check_metermaid.so,throttle,lists,$0$1]No,$ $^$1$_$ at$ #$#refused|16|3#.$Y
*|* $C$[IMTA_LIB:check_metermaid.so,adjust_and_test,sums,$1,1,>4]Five$ are$ enough.$Y$E
* $N
"""
OPTIONS = """
metermaid.table.limitauthspam.quota = 20
metermaid.table.lists.quota = 5
metermaid.table.lists.quota_time = 7200
metermaid.table.lists.algorithm = fixed
metermaid.table.lists.options = nocase
metermaid.table.sums.type = simple
metermaid.table.sums.value_type = integer
"""

REFERENCE = re.compile(r"\s*\[SW-[0-9A-HJKMNP-TV-Z]{6}\]")


# --- random messages

CLIENTS = ["10.1.1.1", "10.9.1.1", "192.0.2.7", "198.51.100.7", ""]
LOGINS = ["", "", "eve", "Eve@Example.org", "bob", "carol@example.net"]
SENDERS = [
    "eve@example.org",
    "EVE@example.org",
    "bob@example.org",
    "carol@example.net",
    "mallory@evil.example",
    "",
]
RECIPIENTS = [
    "v1@x.example",
    "v2@x.example",
    "abuse@x.example",
    "d1@example.org",
    "in@example.org",
    "all@list.example",
]
RECIPIENTS += ["ABUSE@list.example", '"a|is-spam@b"@evil.example', "d2@x.example", "other@list.example"]
DOES = [b"refuse this", b"refuse that way", b"discard", b"file", b"move", b"copy", b"stop", b"nothing", b""]
SUBJECTS = [
    "hello",
    "viele Grüße",
    "=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
    "a\n folded\n\tsubject",
    "\udcff\udcfe",
    "",
]


def random_message(random: Random) -> Sent:
    headers = [
        (b"From", random.choice([b"Eve <eve@example.org>", b"eve@evil.example", b"a@b, c@evil.example"]))
    ]
    if random.random() < 0.7:
        headers.append((b"X-Spam-Score-Internal", b"*" * random.randint(0, 6)))
    if random.random() < 0.5:
        headers.append((random.choice([b"X-Do", b"x-do"]), random.choice(DOES)))
    if random.random() < 0.6:
        headers.append((b"Subject", random.choice(SUBJECTS).encode("utf-8", "surrogateescape")))
    if random.random() < 0.3:
        headers.append((b"X-Number", str(random.randint(0, 1000)).encode()))
    random.shuffle(headers)
    body = [b"x" * random.randint(0, 70) for _ in range(random.choice([0, 3, 3, 3, 90]))]
    return Sent(
        random.choice(CLIENTS),
        random.choice(LOGINS),
        random.choice(SENDERS),
        [random.choice(RECIPIENTS) for _ in range(random.randint(1, 4))],
        headers,
        body,
    )


@dataclass(slots=True)
class Daemon:
    """The real path, put together as the daemon does."""

    loaded: Loaded
    log: KeptLog
    meters: MemoryMeters
    ledger: Ledger
    references: References
    outbox: Posted = field(default_factory=Posted)

    def connection(self) -> MilterConnection:
        judge = Judge(
            self.loaded.site, self.meters, Outside(WallClock(), self.references, self.log, lambda: 0.0)
        )
        conclusions = Conclusions(WallClock(), self.log, self.ledger, self.outbox)
        return MilterConnection(lambda: judge, conclusions, Gate(9, lambda: 0.0), self.log, LISTENER)


# --- both views of one decision


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a message, as the mail server hears it."""

    answer: str
    code: str = ""
    lines: tuple[str, ...] = ()
    deleted: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


def heard(replies: list[Reply]) -> Fate:
    """The fate that a mail server takes from replies."""
    last = replies[-1]
    if isinstance(last, ReplyCode):
        assert len(replies) == 1
        words = REFERENCE.sub("", "\n".join(last.lines))
        return Fate("refused", f"{last.code} {last.enhanced}", clean_lines(words))
    if last is Answer.DISCARD:
        return Fate("discarded")
    assert last is Answer.CONTINUE
    held = [REFERENCE.sub("", reply.reason) for reply in replies if isinstance(reply, Quarantine)]
    return Fate(
        "held" if held else "goes on",
        "",
        tuple(held),
        frozenset(bare_address(reply.path) for reply in replies if isinstance(reply, DeleteRecipient)),
        frozenset(bare_address(reply.path) for reply in replies if isinstance(reply, AddRecipient)),
        frozenset(REFERENCE.sub("", reply.value) for reply in replies if isinstance(reply, AddHeader)),
    )


def foretold(decision: Decision) -> Fate:
    """The fate that `explain` says."""
    if decision.watched:
        return Fate("goes on")
    words = refusal_text(decision)
    gone, added = frozenset({*decision.refused, *decision.discarded}), frozenset(decision.copies_to)
    tags = frozenset(value for _name, value in decision.headers)
    match decision.verdict:
        case Verdict.REFUSE | Verdict.DEFER:
            code = 550 if decision.verdict is Verdict.REFUSE else 450
            return Fate("refused", f"{code} {decision.enhanced}", clean_lines(words))
        case Verdict.DISCARD:
            return Fate("discarded")
        case Verdict.HOLD:
            return Fate("held", "", (" ".join(clean_lines(words)),), gone, added, tags)
    return Fate("goes on", "", (), gone, added, tags)


def facts(event: dict[str, object]) -> dict[str, object]:
    """What both sides can know of a decision: everything but its reference and queue id."""
    return {
        name: event.get(name, "" if name in ("verdict", "channel", "account") else [])
        for name in ("verdict", "channel", "account", "refused", "discarded", "copies_to")
    } | {"watched": event.get("watched", False), "reasons": ids(event.get("reasons", []))}


def ids(reasons: object) -> list[object]:
    """Reasons without the numbers that move on with the clock."""
    assert isinstance(reasons, list)
    return [{name: value for name, value in reason.items() if name != "frees_in"} for reason in reasons]


def explained(decision: Decision) -> dict[str, object]:
    return facts(
        {
            "verdict": decision.verdict.value,
            "channel": decision.channel,
            "account": decision.account,
            "refused": list(decision.refused),
            "discarded": list(decision.discarded),
            "copies_to": list(decision.copies_to),
            "watched": decision.watched,
            "reasons": [{"id": reason.id, **reason.numbers} for reason in decision.reasons],
        }
    )


# --- the promise


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    files = example("authspam")
    files |= {
        "actions.filter": ACTIONS,
        "count.filter": COUNT,
        "mappings": files["mappings"] + MAPPINGS,
        "metermaid.options": files["metermaid.options"] + OPTIONS,
    }
    del files["sendwarden.toml"]
    loaded = load_folder(tmp_path_factory.mktemp("site"), SETTINGS, files)
    assert loaded.usable, loaded.problems
    (loaded.folder.path / "var").mkdir()
    return loaded


async def journey(loaded: Loaded, messages: Iterator[Sent]) -> Counter[str]:
    """Send messages one after the other, each explained before; which fates there were."""
    log, meters = KeptLog(), MemoryMeters(loaded.site.meters)
    journal = Journal(loaded.folder.path / "var" / "state.db", meters, WallClock(), log)
    await journal.open(lambda: b"0" * 16)
    await journal.load_meters()
    writer = asyncio.get_running_loop().create_task(journal.run())
    server = MailServer(Daemon(loaded, log, meters, journal, journal.references).connection())
    await server.start()
    fates: Counter[str] = Counter()
    for number, message in enumerate(messages):
        await journal.flush()
        line_end = b"\r\n" if number % 2 else b"\n"
        found = explain(loaded, to_message(message.file(line_end), message.request()))
        log.events.clear()

        replies = await server.send(message, f"{number:X}")

        events = [dict(event) for kind, event in log.events if kind != "sender-mismatch"]
        compare(found, replies, events, message)
        fates[f"{heard(replies).answer}{' at MAIL' if len(events) > 1 else ''}"] += 1
        fates["tagged"] += bool(heard(replies).tags)
        fates["in part"] += bool(found.decision.refused) and not found.decision.watched
        fates["watched"] += found.decision.watched
    await journal.close()
    await writer
    return fates


def compare(found: Explanation, replies: list[Reply], events: list[dict[str, object]], message: Sent) -> None:
    assert foretold(found.decision) == heard(replies), message
    assert explained(found.decision) == facts(events[-1]), message
    if found.at_mail:
        assert explained(found.at_mail) == facts(events[0]), message
    assert len(events) == 1 + bool(found.at_mail), message


def test_hundreds_of_random_messages_meet_the_fate_that_explain_foretold(site: Loaded) -> None:
    random = Random(20_241_124)  # noqa: S311 - the same messages each time

    fates = asyncio.run(journey(site, (random_message(random) for _ in range(MESSAGES))))

    assert all(fates[fate] > MESSAGES / 100 for fate in ("goes on", "refused", "held", "discarded"))
    assert all(fates[fate] > MESSAGES / 100 for fate in ("in part", "watched", "tagged")), fates


def test_the_answer_goes_out_when_the_decision_is_durable_and_not_before(site: Loaded) -> None:
    ledger = FakeLedger(slow=True)
    message = Sent("10.1.1.1", "", "eve@example.org", ["v@x.example"], [(b"X-Do", b"refuse it")], [])

    async def talk() -> None:
        daemon = Daemon(site, KeptLog(), MemoryMeters(site.site.meters), ledger, Counted())
        server = MailServer(daemon.connection())
        await server.start()
        said = b"".join(command.encode() for command in [*message.commands("1"), EndOfMessage()])
        server.connection.data_received(said)
        for _ in range(10):
            await asyncio.sleep(0)
        assert server.read() == [Answer.CONTINUE]  # to MAIL
        ledger.write()
        assert [type(reply) for reply in await server.say([])] == [ReplyCode]
        assert [record["reference"] for record, _notice in ledger.kept] == ["SW-000001"]

    asyncio.run(talk())
