"""docs/settings.md and docs/commands.md: nothing is missing there, and nothing stands there without being."""

import argparse
import importlib
import re
from pathlib import Path

import pytest

from sendwarden.cli.help import default_of, settings_of, tables
from sendwarden.cli.main import COMMANDS
from sendwarden.config.codes import CODES
from sendwarden.config.schema import MUST_BE_SET, Settings
from sendwarden.config.shipped import SHIPPED_CHANNELS
from tests.config.folder import load_folder

DOCS = Path(__file__).resolve().parents[2] / "docs"
TABLES = dict(tables(Settings, "settings"))

SCANNERS = '[[scanner]]\nname = "spam"\nkind = "spamd"\n[[scanner]]\nname = "virus"\nkind = "clamd"\n'


def sections(name: str) -> dict[str, str]:
    """The text below each heading of a page, by the heading's first word."""
    parts = re.split(r"^## ", (DOCS / name).read_text(), flags=re.MULTILINE)
    return {part.split()[0].strip(":[]"): part for part in parts}


def rows(text: str) -> list[list[str]]:
    """The cells of all tables of a text, without headings; marks of code taken out of the first."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace("\\|", "|") for cell in line] for line in lines]
    rules = [number for number, row in enumerate(cells) if row[0] == "---"]
    kept = [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]
    return [[first.strip("`"), *rest] for first, *rest in kept]


@pytest.mark.parametrize("table", TABLES)
def test_every_setting_has_a_row_with_type_default_example_and_what_it_does(table: str) -> None:
    section = sections("settings.md")["At" if table == "settings" else table]
    found = {row[0]: row[1:] for row in rows(section) if len(row) == 5}

    assert list(found) == [name for name, _field in settings_of(TABLES[table])]
    for name, field in settings_of(TABLES[table]):
        type_, default, example, does = found[name]
        assert type_ and default.strip("`") == default_of(field)
        assert field.examples and example == f"`{name} = {field.examples[0]}`"
        assert does == field.description


def test_the_shipped_channels_are_documented_in_their_order() -> None:
    found = [row[0] for row in rows(sections("settings.md")["channel"]) if len(row) == 2]

    assert found == [channel["name"] for channel in SHIPPED_CHANNELS]


@pytest.mark.parametrize("table", TABLES)
def test_every_example_of_a_setting_is_right(table: str, tmp_path: Path) -> None:
    files = dict.fromkeys(("authspam.filter", "outgoing.filter"), "keep;") | {
        "grossd.conf": "protocol = sjsms",
        "mappings": "",
        "metermaid.options": "",
        "senders": "",
        "conf.d/scanners.toml": SCANNERS if table == "channel" else "",
    }
    needs = {  # what an example has no effect without
        "foreign_sender": 'senders = "own"\n',
        "url": 'query = "SELECT :account"\n',
        "spam": 'scan = ["spam"]\n',
        "virus": 'scan = ["virus"]\n',
        "redis_secret": 'redis = "redis://192.0.2.30:6379/0"\n',
        "redis_cluster": 'redis = "redis://192.0.2.30:6379/0"\n',
    }
    elsewhere = {
        ("site", "webmail"): '[webmail]\naccount = ["auth"]\n',
        ("incoming", "limits"): '[site]\ndomains = ["example.org"]\n',
        ("metermaid", "redis"): '[counting]\nredis = "redis://192.0.2.30"\n',
        ("webmail", "account"): '[site]\nwebmail = ["192.0.2.80"]\n',
    }
    for name, field in settings_of(TABLES[table]):
        head = f"[[{table}]]\n" if table in MUST_BE_SET else f"[{table}]\n" * (table != "settings")
        needed = MUST_BE_SET.get(table, {})
        named = "".join(f"{must} = {right or 'bulk'!r}\n" for must, right in needed.items() if must != name)

        loaded = load_folder(
            tmp_path,
            f"{elsewhere.get((table, name), '')}{head}{named}{needs.get(name, '')}"
            f"{name} = {(field.examples or [''])[0]}\n",
            files,
        )

        assert loaded.problems == [], name


def test_the_example_of_the_page_is_right(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (DOCS / "settings.md").read_text(), re.DOTALL)

    assert load_folder(tmp_path, example, {"authspam.filter": "keep;"}).problems == []


def test_the_lists_of_the_page_can_be_pasted(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", (DOCS / "dns-lists.md").read_text(), re.DOTALL)
    loaded = load_folder(tmp_path, "".join(examples))
    assert len(examples) == 2
    assert loaded.problems == []


def options(module: str) -> list[str]:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"sendwarden.cli.{module}").add_arguments(parser)
    return [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001 - there is no other way


@pytest.mark.parametrize(("command", "module"), [(name, module) for name, module, _does in COMMANDS])
def test_every_command_is_documented_with_all_its_options(command: str, module: str) -> None:
    section = sections("commands.md")[command]

    assert f"    sendwarden {command}" in section
    for option in options(module):
        assert option == "--config" or f"`{option}" in section


def test_no_command_or_option_is_documented_that_does_not_exist() -> None:
    found = sections("commands.md")
    documented = set(re.findall(r"--[a-z]+", (DOCS / "commands.md").read_text()))

    assert [name for name in found if name != "#"] == [name for name, _module, _does in COMMANDS]
    assert documented <= {option for _name, module, _does in COMMANDS for option in options(module)} | {
        "--json",
        "--help",
    }


@pytest.mark.parametrize("page", ["settings.md", "commands.md"])
def test_codes_and_pages_that_a_page_names_exist(page: str) -> None:
    text = (DOCS / page).read_text()

    assert set(re.findall(r"SW\d{3}", text)) <= set(CODES)
    assert all((DOCS / name).exists() for name in re.findall(r"\]\(([a-z-]+\.md)\)", text))
