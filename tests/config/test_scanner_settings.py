"""Scanners in the settings: what each value may be, which adapters are made, and names that must exist."""

from dataclasses import replace
from pathlib import Path

import pytest

from sendwarden.config.scanners import scanning_of
from sendwarden.core.decision import Message, Request, Stage, Verdict
from tests.config.folder import load_folder
from tests.stores.around import HandClock, KeptLog

SCANNER = '[[scanner]]\nname = "a"\nkind = "spamd"\n'
HEADER = '[[score_header]]\nname = "h"\nheader = "X-Spam-Score"\nwriters = ["192.0.2.9/32"]\n'
CHANNEL = '[[channel]]\nname = "c"\nlogin = true\n'

WRONG: dict[str, tuple[str, str]] = {
    "a time without unit": (SCANNER + "timeout = 5", "5 is no time to wait"),
    "a time of nothing": (SCANNER + 'timeout = "0s"', "too short or too long"),
    "a long time": (SCANNER + 'timeout = "121s"', "too short or too long"),
    "other digits": (SCANNER + 'timeout = "٣s"', "is no time to wait"),
    "a size without unit": (SCANNER + "largest = 5", "5 is no size"),
    "a size of nothing": (SCANNER + 'largest = "0 KiB"', "too small or too large"),
    "a large size": (SCANNER + 'largest = "65 MiB"', "too small or too large"),
    "a place without port": (SCANNER + 'at = "127.0.0.1"', "is no address with a port"),
    "a header that mail needs": (HEADER.replace("X-Spam-Score", "subject"), "is a field that mail needs"),
    "a header with a colon": (HEADER.replace("Score", "Score:"), "is not the name of a header"),
    "no writers": (HEADER.partition("writers")[0], '"writers" is missing'),
    "a threshold of nothing": (HEADER + "threshold = 0", "would make all mail spam, or none"),
    "no number": (HEADER + "threshold = nan", "would make all mail spam, or none"),
    "infinity": (HEADER + "threshold = inf", "would make all mail spam, or none"),
    "a threshold in quotes": (HEADER + 'threshold = "5"', "a number is expected"),
    "two of a name": (SCANNER + SCANNER, 'there are two scanners or score headers "a"'),
    "two of a header": (
        HEADER + HEADER.replace('"h"', '"i"').lower(),
        "x-spam-score is a score header already",
    ),
    "a close name": (SCANNER + HEADER + CHANNEL + 'scan = ["hh"]', 'no scanner or score header "hh"'),
    "spam without a score": (
        SCANNER.replace("spamd", "clamd") + CHANNEL + 'scan = ["a"]\nspam = "hold"',
        'spam = "hold" has no effect',
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_what_to_write_instead(tmp_path: Path, case: str) -> None:
    settings, says = WRONG[case]

    (problem,) = load_folder(tmp_path, settings, {}).problems

    assert says in problem.sentence and problem.remedy and problem.place


def test_values_become_what_they_say(tmp_path: Path) -> None:
    more = 'timeout = "1500ms"\nlargest = "2 MiB"\n'
    channel = CHANNEL + 'scan = ["a", "h"]\nspam = "refuse"\nvirus = "pass"\n'
    site = load_folder(tmp_path, SCANNER + more + HEADER + "threshold = 6\n" + channel, {}).site

    assert (site.scanners["a"].patience_s, site.scanners["a"].largest_bytes) == (1.5, 2 << 20)
    assert (site.score_headers["h"].header, site.score_headers["h"].threshold) == ("x-spam-score", 6.0)
    assert (site.channels[0].spam, site.channels[0].virus) == (Verdict.REFUSE, Verdict.ACCEPT)
    assert site.scans == {"a"} and site.body_bytes == 2 << 20


@pytest.mark.parametrize("kind", ["spamd", "rspamd", "clamd"])
def test_a_scanner_that_a_channel_names_is_asked_and_no_other(tmp_path: Path, kind: str) -> None:
    named = SCANNER.replace("spamd", kind) + SCANNER.replace('"a"', '"b"')
    loaded = load_folder(tmp_path, named + CHANNEL + 'scan = ["a"]', {})
    clock, log = HandClock(), KeptLog()

    scanning = scanning_of(loaded.settings, loaded.site, clock, log)
    message = Message(Request(Stage.END_OF_MESSAGE, login="eve"), ())

    assert scanning and scanning.scan(message, ("a",)) and not scanning.scan(message, ("b", "h"))
    unasked = replace(loaded.site, channels=())
    assert scanning_of(loaded.settings, unasked, clock, log) is None
