"""Settings that can do nothing are told, with what to write instead."""

from pathlib import Path

import pytest

from tests.config.folder import load_folder, marked

DOMAINS = '[site]\ndomains = ["example.org"]\n'
RATE = '"500/10m"'

# What stands there -> what is told, and the text above the caret.
CASES: dict[str, list[tuple[str, str]]] = {
    '[incoming]\nlimits = ["incoming-network", "incoming-domain"]': [],
    '[incoming]\nlimits = ["incoming-network", "incoming-bounces"]': [("SW142", '"incoming-bounces"')],
    f'{DOMAINS}[incoming]\nlimits = ["incoming-mailbox", "incoming-bounces"]': [],
    **{
        f'[[limits]]\nname = "incoming-network"\n{name} = {RATE}': [("SW142", RATE)]
        for name in ("internal", "external", "distinct", "new")
    },
    '[[limits]]\nname = "incoming-domain"\nbytes = "5 MiB/10m"': [("SW142", '"5 MiB/10m"')],
    '[[limits]]\nname = "incoming-domain"\nper_message = 7': [("SW142", "7")],
    f'[[limits]]\nname = "incoming-domain"\nmessages = {RATE}\nrecipients = {RATE}': [],
    f'[[limits]]\nname = "spam-scored"\ndistinct = {RATE}': [("SW142", RATE)],
    f'[[limits]]\nname = "spam-scored"\nexternal = {RATE}\nbytes = "5 MiB/10m"': [],
    f'[[limits]]\nname = "webmail"\ndistinct = {RATE}\nnew = {RATE}': [],
    '[listen]\nmilter = []\n[accounts]\nprograms = "uid"': [("SW142", '"uid"')],
    '[listen]\nmilter = []\n[accounts]\nprograms = "together"': [],
    '[accounts]\nprograms = "script"': [],
    '[counting]\nredis_secret = "hush"': [("SW142", "******")],
    "[counting]\nredis_cluster = true": [("SW142", "true")],
    "[counting]\nredis_cluster = false": [],
    '[counting]\nredis = "redis://r.example.org"\nredis_cluster = true\nredis_secret = "hush"': [],
    '[counting]\nredis = "redis://r.example.org/0"\nredis_cluster = true': [],
    '[counting]\nredis = "redis://r.example.org/3"\nredis_cluster = true': [
        ("SW143", '"redis://r.example.org/3"')
    ],
    '[counting]\nredis = "redis://r.example.org/3"': [],
    '[counting]\nredis = "unix:///run/redis.sock"\nredis_cluster = true': [
        ("SW143", '"unix:///run/redis.sock"')
    ],
    '[counting]\nredis = "unix:///run/redis.sock"': [],
}


@pytest.mark.parametrize("text", CASES)
def test_what_can_do_nothing_is_told(text: str, tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, text)

    assert [(problem.code, marked(problem)) for problem in loaded.problems] == CASES[text]
    assert all(problem.remedy and "hush" not in problem.sentence for problem in loaded.problems)
    assert loaded.usable is not any(code == "SW143" for code, _above in CASES[text])
