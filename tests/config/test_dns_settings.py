"""Lists in the DNS in the settings: what each value may be, which lists are made, no key shown."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from sendwarden.engine.reputation.lists import DnsList
from tests.config.folder import load_folder

KEY = "abcdefghijklmnopqrstuvwxyz"
LIST = '[[dns_list]]\nname = "a"\nkind = "dnsbl"\nzone = "Dnsbl.Example.ORG."\n'

WRONG: dict[str, tuple[str, str]] = {
    "no zone": (LIST.partition("zone")[0], '"zone" is missing'),
    "an empty zone": (LIST.replace("Dnsbl.Example.ORG.", ""), "is no zone of a list"),
    "a zone of one label": (LIST.replace("Dnsbl.Example.ORG.", "bl"), "is no zone of a list"),
    "an address": (LIST.replace("Dnsbl.Example.ORG.", "127.0.0.1"), "is no zone of a list"),
    "a long zone": (LIST.replace("Dnsbl", ".".join(["a" * 19] * 10)), "is no zone of a list"),
    "a key in a zone": (LIST.replace("Dnsbl", f"{KEY}.zen"), "the key of a subscription stands in this zone"),
    "a key with a blank": (LIST + f'key_secret = "{KEY} x"', "this key can be no part of a name"),
    "a key that is none": (LIST + "key_secret = 5", "a secret is text"),
    "another kind": (LIST.replace('"dnsbl"', '"dnsbls"'), "is not one of the possible values"),
    "no codes": (LIST + "codes = []", "names no answers that count"),
    "a code outside": (LIST + 'codes = ["192.0.2.1"]', "all are in 127.0.0.0/8"),
    "no code": (LIST + 'codes = ["listed"]', '"listed" is no answer of a list'),
    "host bits": (LIST + 'codes = ["127.0.0.2/8"]', "is no answer of a list"),
    "a number as a code": (LIST + "codes = [2]", '"2" is no answer of a list'),
    "a refusal": (LIST + 'codes = ["127.255.255.254"]', "is how lists refuse to answer"),
    "a weight in quotes": (LIST + 'codes = { "127.0.0.2" = "2" }', '"2" is no weight'),
    "a large weight": (LIST + 'codes = { "127.0.0.2" = 1001 }', "1001 is no weight"),
    "a truth as a weight": (LIST + 'codes = { "127.0.0.2" = true }', "true is no weight"),
    "a server by name": (LIST + 'servers = "dns.example.org"', "is no address of a DNS server"),
    "a server's socket": (LIST + 'servers = "unix:/run/dns"', "is no address of a DNS server"),
    "a server of [dns]": ('[dns]\nservers = ["127.0.0.1:0"]', "is no address of a DNS server"),
    "a long wait": (LIST + 'timeout = "11s"', "is too long to wait for one list"),
    "no time": (LIST + "timeout = 5", "is no time to wait"),
    "another check": (LIST + 'health_check = "on"', "is not one of the possible values"),
    "few questions": ("[dns]\nquestions = 9", "9 is too small"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_what_to_write_instead_and_without_a_key(
    tmp_path: Path, case: str
) -> None:
    settings, says = WRONG[case]

    (problem,) = load_folder(tmp_path, settings, {}).problems

    assert says in problem.sentence and problem.remedy and problem.place
    assert KEY not in repr(problem)


def test_a_list_has_what_the_settings_say(tmp_path: Path) -> None:
    more = (
        f'key_secret = "{KEY}"\ncodes = {{ "127.0.0.0/24" = 1, "127.0.0.4" = -3 }}\ntimeout = "500ms"\n'
        'servers = ["192.0.2.53", "[2001:db8::53]:5353", "2001:db8::54"]\nhealth_check = "warn"\n'
    )
    loaded = load_folder(tmp_path, LIST + more, {})

    assert not loaded.problems
    assert loaded.dns_lists == [
        DnsList(
            "a",
            "dnsbl",
            "dnsbl.example.org",
            ((IPv4Network("127.0.0.4/32"), -3), (IPv4Network("127.0.0.0/24"), 1)),
            KEY,
            ("192.0.2.53:53", "[2001:db8::53]:5353", "[2001:db8::54]:53"),
            0.5,
            "warn",
        )
    ]
    assert KEY not in repr(loaded.dns_lists) + repr(loaded.settings)


@pytest.mark.parametrize(
    ("codes", "weights"),
    [('["127.0.0.2", "127.0.0.4/30"]', [1, 1]), ('"127.0.0.2"', [1]), ('{ "127.0.0.2" = 0 }', [0])],
)
def test_codes_without_weights_have_1_each(codes: str, weights: list[int], tmp_path: Path) -> None:
    (found,) = load_folder(tmp_path, f"{LIST}codes = {codes}\n", {}).dns_lists

    assert [weight for _, weight in found.codes] == weights


def test_no_list_is_asked_unless_the_settings_name_it(tmp_path: Path) -> None:
    assert load_folder(tmp_path, "", {}).dns_lists == []
