"""config.files and reading: which files are read, in which order, and which are refused."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.config.files import Folder, Unreadable
from sendwarden.config.load import MOST_OF_A_KIND, load
from tests.config.folder import errors, load_folder, marked, told, write

# --- conf.d


def test_without_a_settings_file_the_embedded_defaults_hold() -> None:
    assert load(None).settings.mode == "watch"
    assert [channel.name for channel in load(None).site.channels] == [
        "webmail",
        "submission-auth-internal",
        "submission-auth-external",
        "submission-noauth-internal",
        "local",
    ]


def test_of_many_mistakes_of_one_kind_a_few_are_told_and_the_rest_is_counted(tmp_path: Path) -> None:
    entries = "".join(f"  a{number}\n" for number in range(10_000))
    other = "U\n\n  *  $[IMTA_LIB:nobody.so,asks,this]$Y\n"

    loaded = load_folder(tmp_path, "", {"mappings": f"T\n\n{entries}\n{other}"})

    of_kind = [problem for problem in loaded.problems if problem.code == "SW201"]
    assert len(of_kind) == MOST_OF_A_KIND + 1
    assert of_kind[-1].sentence == f"and {10_000 - MOST_OF_A_KIND} more like these"
    assert of_kind[-1].place and of_kind[-1].place.line == 3 + MOST_OF_A_KIND
    assert "SW210" in {problem.code for problem in loaded.problems}, "another mistake is told all the same"


def test_utf_16_is_one_mistake_and_not_one_for_each_line(tmp_path: Path) -> None:
    (tmp_path / "mappings").write_bytes("T\n\n  * $Y\n".encode("utf-16"))

    (problem,) = load_folder(tmp_path, "").problems

    assert problem.code == "SW121" and "UTF-16" in problem.sentence


@pytest.mark.parametrize("target", ["nowhere", "mappings"], ids=["dangling", "looping"])
def test_a_default_file_that_is_a_broken_link_is_there_and_broken(tmp_path: Path, target: str) -> None:
    (tmp_path / "mappings").symlink_to(target)

    (problem,) = load_folder(tmp_path, "").problems

    assert problem.code == "SW121" and problem.place and problem.place.file == "mappings"


def test_a_later_file_counts_and_each_setting_that_stands_in_two_is_a_warning(tmp_path: Path) -> None:
    loaded = load_folder(
        tmp_path,
        'mode = "watch"\n[site]\nhost = "one.example"\ndomains = ["a.example"]\n',
        {
            "conf.d/20-later.toml": '[site]\nhost = "three.example"\n',
            "conf.d/10-first.toml": 'mode = "enforce"\n[site]\nhost = "two.example"\nrelays = ["10.0.0.1"]\n',
        },
    )

    site = loaded.settings.site
    assert (loaded.settings.mode, site.host, site.domains) == ("enforce", "three.example", ["a.example"])
    assert [str(relay) for relay in site.relays] == ["10.0.0.1/32"]
    assert told(loaded) == [
        "SW131 conf.d/10-first.toml:1:1",
        "SW131 conf.d/10-first.toml:3:1",
        "SW131 conf.d/20-later.toml:2:1",
    ]
    assert [problem.remedy for problem in loaded.problems] == [
        "the other stands in sendwarden.toml:1:8",
        "the other stands in sendwarden.toml:3:8",
        "the other stands in conf.d/10-first.toml:3:8",
    ]
    assert loaded.usable


def test_the_origin_of_a_value_is_the_place_that_counted(tmp_path: Path) -> None:
    loaded = load_folder(
        tmp_path, 'mode = "watch"\nversion = 1\n', {"conf.d/a.toml": '\nmode = "enforce"  # now\n'}
    )

    assert str(loaded.origins["mode",]) == "conf.d/a.toml:2:8"
    assert str(loaded.origins["version",]) == "sendwarden.toml:2:11"
    assert ("site",) not in loaded.origins


def test_channels_of_all_files_follow_each_other_with_their_own_places(tmp_path: Path) -> None:
    third = 'channel = [{ name = "three", login = 3 }, { name = "four", listener = "x:1" }]'
    loaded = load_folder(
        tmp_path,
        '[[channel]]\nname = "one"\nlogin = true\n',
        {
            "conf.d/b.toml": third,
            "conf.d/a.toml": '[[channel]]\nname = "two"\nlogin = false\nlistener = "127.0.0.1:9"\n',
        },
    )

    assert [channel.name for channel in loaded.settings.channel] == ["one", "two", "three", "four"]
    assert told(loaded) == [
        "SW108 conf.d/a.toml:4:12",
        f"SW102 conf.d/b.toml:1:{third.index('3 }') + 1}",
        f"SW108 conf.d/b.toml:1:{third.index('x:1')}",
    ]


@given(st.lists(st.sampled_from(["00", "10-a", "9", "B", "a", "z", "ä"]), unique=True, max_size=5))
def test_of_any_files_the_one_with_the_last_name_counts_last(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    files = {
        f"conf.d/{name}.toml": f'[site]\nhost = "{number}.example"\n' for number, name in enumerate(names)
    }

    loaded = load_folder(folder, "", files)

    last = names.index(max(names)) if names else None
    assert loaded.settings.site.host == (f"{last}.example" if names else "")
    assert len(loaded.problems) == max(0, len(names) - 1)


def test_what_is_no_toml_file_is_named_and_counted_but_does_not_stop(tmp_path: Path) -> None:
    files = {
        "20-limits.conf": "",
        "README": "",
        "10.toml~": "",
        ".10.toml.swp": "",
        ".hidden.toml": "mode = 5",
    }

    loaded = load_folder(tmp_path, "", {f"conf.d/{name}": text for name, text in files.items()})

    assert loaded.not_read == 5 and loaded.usable
    said = {problem.sentence: problem.more for problem in loaded.problems}
    assert {problem.code for problem in loaded.problems} == {"SW130"}
    assert said["conf.d/20-limits.conf is not read: only *.toml files are"] == (
        "rename it to 20-limits.toml, or move it away",
    )
    assert said["conf.d/.hidden.toml is not read: hidden files are not"] == ("move it away",)


def test_a_file_with_mistakes_costs_nothing_in_the_others(tmp_path: Path) -> None:
    loaded = load_folder(
        tmp_path,
        "mode = enforce\n",
        {"conf.d/a.toml": '[site]\nhost = "a.example"\ndomains = 5\n', "conf.d/b.toml": "[[[\n"},
    )

    assert told(loaded) == [
        "SW102 conf.d/a.toml:3:11",
        "SW103 conf.d/b.toml:1:1",
        "SW103 sendwarden.toml:1:8",
    ]
    assert loaded.settings.site.host == "a.example"


def test_a_wrong_setting_does_not_hide_that_another_file_sets_it_right(tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, 'mode = "watch"\n', {"conf.d/a.toml": "mode = 5\n"})

    assert told(loaded) == ["SW102 conf.d/a.toml:1:8"]
    assert str(loaded.origins["mode",]) == "sendwarden.toml:1:8"


# --- bytes


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_windows_line_ends_and_a_byte_order_mark_change_neither_values_nor_places(
    mark: bytes, line_end: str, tmp_path: Path
) -> None:
    files = {
        "sendwarden.toml": 'mode = "enforce"\n[[channel]]\nname = "s"\nsourcefilter = "a.filter"\nlogn = 1\n',
        "a.filter": 'require "reject";\nrejct "x";\n',
        "mappings": "T\n*|*\n",
        "metermaid.options": "metermaid.table.t.quota = many\n",
        "conf.d/a.toml": "mode = 5\n",
    }
    path = write(
        tmp_path, {name: mark + text.replace("\n", line_end).encode() for name, text in files.items()}
    )

    loaded = load(path)

    assert (loaded.settings.mode, loaded.settings.channel[0].sourcefilter) == ("enforce", "a.filter")
    assert told(loaded) == [
        "SW303 a.filter:2:1",
        "SW102 conf.d/a.toml:1:8",
        "SW201 mappings:2:1",
        "SW401 metermaid.options:1:27",
        "SW101 sendwarden.toml:5:1",
    ]
    assert not any(p.place and ("\r" in p.place.text or "\ufeff" in p.place.text) for p in loaded.problems)


def test_bytes_that_are_no_utf_8_are_an_error_in_settings_and_kept_as_they_are_elsewhere(
    tmp_path: Path,
) -> None:
    latin = 'require "reject"; reject "caf\xe9";\n'.encode("latin-1")
    settings = '# caf\xe9\n[[channel]]\nname = "s"\nlogin = true\nsourcefilter = "a.filter"\n'

    loaded = load_folder(tmp_path, settings.encode("latin-1"), {"a.filter": latin})

    assert told(loaded) == ["SW103 sendwarden.toml:1:6"]
    assert loaded.site.channels[0].sourcefilter is not None


# --- files that a setting names


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        pytest.param("a.filter", "a.filter", id="a bare name"),
        pytest.param("file:a.filter", "a.filter", id="file:"),
        pytest.param("IMTA_TABLE:a.filter", "a.filter", id="IMTA_TABLE:"),
        pytest.param("file:IMTA_TABLE:a.filter", "a.filter", id="as Messaging Server writes it"),
        pytest.param("file:imta_table:a.filter", "a.filter", id="in small letters"),
        pytest.param("sub/../a.filter", "a.filter", id="a way round"),
        pytest.param("sub/b.filter", "sub/b.filter", id="a folder below"),
        pytest.param("{folder}/a.filter", "a.filter", id="the whole path"),
    ],
)
def test_a_file_is_named_within_the_folder_of_the_settings(spec: str, name: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)

    assert folder.name(folder.resolve(spec.replace("{folder}", str(tmp_path)))) == name


@pytest.mark.parametrize(
    "spec", ["../a", "/etc/passwd", "sub/../../a", "IMTA_TABLE:../a", "file:/etc/passwd", "../{name}.old/a"]
)
def test_a_file_outside_the_folder_is_refused(spec: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="lies outside"):
        Folder(tmp_path).resolve(spec.format(name=tmp_path.name))


@given(st.text("a/.:", max_size=12))
def test_whatever_is_resolved_lies_inside_the_folder(spec: str) -> None:
    folder = Folder(Path("/srv/settings"))
    try:
        found = folder.resolve(spec)
    except Unreadable:
        return
    assert Path(os.path.normpath(found)).is_relative_to("/srv/settings")


# How a file comes to be unreadable -> what is said of it.
UNREADABLE = {
    "missing": "there is no such file",
    "a folder": "it is a folder",
    "a link to nowhere": "there is no such file",
    "a link to itself": "Too many levels of symbolic links",
    "a pipe": "it is not a plain file",
    "a name too long": "File name too long",
    "outside": "lies outside",
}


def spoil(folder: Path, how: str) -> str:
    """Put an unreadable file into the folder; the name to write into the settings."""
    path = folder / "bad"
    match how:
        case "a folder":
            path.mkdir()
        case "a link to nowhere":
            path.symlink_to("nowhere")
        case "a link to itself":
            path.symlink_to("bad")
        case "a pipe":
            os.mkfifo(path)
        case "a name too long":
            return "a" * 300
        case "outside":
            return "../bad"
    return path.name


@pytest.mark.parametrize("how", UNREADABLE)
@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        pytest.param('[mapping]\nfile = "{}"\n', "mapping", id="mapping file"),
        pytest.param('[metermaid]\nfile = "{}"\n', "metermaid", id="option file"),
        pytest.param('[[channel]]\nsourcefilter = "{}"\nname = "s"\n', "channel", id="filter"),
        pytest.param(
            '[[channel]]\ndestinationfilter = {{ internal = "{}" }}\nname = "s"\n', "channel", id="other"
        ),
    ],
)
def test_a_named_file_that_cannot_be_read_is_told_under_its_name(
    settings: str, kind: str, how: str, tmp_path: Path
) -> None:
    del kind
    name = spoil(tmp_path, how)
    loaded = load_folder(tmp_path, settings.format(name))

    (problem,) = errors(loaded)
    assert problem.code == "SW121" and problem.place and problem.place.line == 2
    assert marked(problem) == f'"{name}"'
    assert UNREADABLE[how] in problem.sentence and problem.remedy


@pytest.mark.parametrize("how", [how for how in UNREADABLE if how != "outside"])
def test_a_settings_file_that_cannot_be_read_is_told_and_the_others_are_checked(
    how: str, tmp_path: Path
) -> None:
    spoil(tmp_path, how)
    path = write(tmp_path, {"conf.d/a.toml": "mode = 5\n"}).with_name(
        "bad" if how != "a name too long" else "a" * 300
    )

    loaded = load(path)

    assert sorted(problem.code for problem in errors(loaded)) == ["SW102", "SW121"]


def test_conf_d_that_is_no_folder_is_told(tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, "", {"conf.d": "mode = 5\n"})

    assert told(loaded) == ["SW121 conf.d"] and "Not a directory" in loaded.problems[0].sentence


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(33 * 1024 * 1024)

    loaded = load_folder(tmp_path, '[mapping]\nfile = "huge"\n')

    assert told(loaded) == ["SW121 sendwarden.toml:2:8"] and "larger than" in loaded.problems[0].sentence


def test_files_that_are_not_named_are_read_if_they_are_there(tmp_path: Path) -> None:
    without = load_folder(tmp_path / "without")
    there = load_folder(
        tmp_path / "with", "", {"mappings": "T\n* $Y\n", "metermaid.options": "metermaid.table.t.quota = 5\n"}
    )

    assert (list(without.site.mappings.tables), list(without.site.meters), without.problems) == ([], [], [])
    assert (list(there.site.mappings.tables), list(there.site.meters)) == (["T"], ["t"])
    assert dict(there.folder.read_files) == {"TOML": 1, "option": 1, "mapping": 1}


def test_a_settings_file_named_by_a_way_round_finds_its_files(tmp_path: Path) -> None:
    settings = '[[channel]]\nname = "s"\nlogin = true\nsourcefilter = "a.filter"\n'
    path = write(tmp_path, {"sendwarden.toml": settings, "a.filter": "keep;", "sub/x": ""})

    assert load(path.parent / "sub" / ".." / path.name).problems == []


def test_an_include_is_read_within_the_folder_and_refused_outside(tmp_path: Path) -> None:
    loaded = load_folder(
        tmp_path, "", {"mappings": "<IMTA_TABLE:more\n</etc/passwd\n<nowhere\nT\n* $Y\n", "more": "M\n* $Y\n"}
    )

    assert sorted(loaded.site.mappings.tables) == ["M", "T"]
    assert told(loaded) == ["SW208 mappings:2:1", "SW208 mappings:3:1"]


@pytest.mark.parametrize(
    ("settings", "files", "codes"),
    [
        pytest.param(
            '[mapping]\nfile = "nowhere"\n',
            {"a.filter": 'require "reject"; if ask "x" { reject "no"; }'},
            ["SW121"],
            id="no mapping file: its tables are not missed by the filter as well",
        ),
        pytest.param(
            '[metermaid]\nfile = "nowhere"\n',
            {"mappings": "T\n* $[IMTA_LIB:check_metermaid.so,throttle,t,$0]$Y\n"},
            ["SW121"],
            id="no option file: its meters are not missed by the mapping table as well",
        ),
        pytest.param(
            '[site]\nwebmail = ["10.0.0.0/99"]\n[[channel]]\nname = "w"\nnetworks = ["webmail"]\n',
            {},
            ["SW102"],
            id="a wrong network: the channel is not called dead as well",
        ),
    ],
)
def test_one_cause_is_one_error(
    settings: str, files: dict[str, str], codes: list[str], tmp_path: Path
) -> None:
    channel = (
        '[[channel]]\nname = "s"\nlogin = true\nsourcefilter = "a.filter"\n' if "a.filter" in files else ""
    )

    assert [p.code for p in load_folder(tmp_path, settings + channel, files).problems] == codes


ASKS = '[[channel]]\nname = "s"\nlogin = true\nsourcefilter = "a.filter"\n'
FILTER = 'if ask "x" { discard; }'
THROTTLE = "T\n* $[IMTA_LIB:check_metermaid.so,throttle,t,$0]$Y\n"


@pytest.mark.parametrize("given", ["none", "one"])
def test_a_filter_whose_mapping_file_does_not_exist_says_where_it_was_looked_for(
    given: str, tmp_path: Path
) -> None:
    files = {"a.filter": FILTER} | ({"mappings": "T\n* $Y\n"} if given == "one" else {})

    (problem,) = load_folder(tmp_path, ASKS, files).problems

    looked = f"There is no mapping file: {tmp_path}/mappings was looked for (mapping.file)."
    assert problem.code == "SW310" and problem.more == ((looked,) if given == "none" else ())


@pytest.mark.parametrize(
    ("files", "remedy", "more"),
    [
        pytest.param(
            {},
            "set metermaid.table.t.quota in metermaid.options",
            "There is no option file: {}/metermaid.options was looked for (metermaid.file).",
            id="no option file",
        ),
        pytest.param(
            {"metermaid.options": "metermaid.table.u1.quota = 5\n"},
            "set metermaid.table.t.quota in metermaid.options",
            "",
            id="another table",
        ),
    ],
)
def test_a_meter_that_does_not_exist_names_the_option_file(
    files: dict[str, str], remedy: str, more: str, tmp_path: Path
) -> None:
    (problem,) = load_folder(tmp_path, "", {"mappings": THROTTLE, **files}).problems

    assert (problem.code, problem.remedy) == ("SW216", remedy)
    assert problem.more == ((more.format(tmp_path),) if more else ())


def test_a_meter_that_is_nearly_there_names_both(tmp_path: Path) -> None:
    files = {
        "mappings": THROTTLE.replace(",t,", ",spam,"),
        "opts": "metermaid.table.spams.quota = 5\n",
    }

    (problem,) = load_folder(tmp_path, '[metermaid]\nfile = "opts"\n', files).problems

    assert problem.remedy == 'did you mean "spams"?  Else set metermaid.table.spam.quota in opts'


# --- the file of [senders]

LENT = "info@example.org bob\n"


def test_the_file_of_senders_is_read_where_it_is_there_and_lends_addresses(tmp_path: Path) -> None:
    site = load_folder(tmp_path, "[site]\ndomains = ['example.org']\n", {"senders": LENT}).site

    assert site.owners.may_use("bob", "info@example.org") and not site.owners.may_use(
        "eve", "info@example.org"
    )


def test_without_a_file_of_senders_nothing_is_lent_and_one_that_is_named_must_be_there(
    tmp_path: Path,
) -> None:
    assert not load_folder(tmp_path, "").site.owners.may_use("bob", "info@example.org")
    assert told(load_folder(tmp_path, '[senders]\nfile = "nobody"')) == ["SW121 sendwarden.toml:2:8"]


def test_the_file_of_senders_may_lie_anywhere_and_its_problems_name_it(tmp_path: Path) -> None:
    (tmp_path / "maps").write_text(f"{LENT}info\n")
    (tmp_path / "site").mkdir()

    loaded = load_folder(tmp_path / "site", f'[senders]\nfile = "{tmp_path}/maps"\nevery_domain = true')

    assert told(loaded) == [f"SW601 {tmp_path}/maps:2:1"]
    assert loaded.site.owners.may_use("bob", "info@example.org") and loaded.site.every_domain


@pytest.mark.parametrize(
    ("lines", "warned"),
    [
        ('senders = "own"\nforeign_sender = "hold"', []),
        ('header_from = "own"\nforeign_sender = "hold"', []),
        ('foreign_sender = "hold"', ["SW324"]),
        ('login = false\nheader_from = "own"', ["SW324"]),
        ('login = false\nheader_from = "own"\nforeign_sender = "allow"', ["SW324", "SW324"]),
        ('header_from = "any"', []),
    ],
)
def test_settings_about_senders_that_have_no_effect_are_a_warning(
    tmp_path: Path, lines: str, warned: list[str]
) -> None:
    loaded = load_folder(tmp_path, f'[[channel]]\nname = "a"\n{lines}\n')

    assert [problem.code for problem in loaded.problems] == warned and loaded.usable
