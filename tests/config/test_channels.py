"""config.load and engine.channel: channels as settings make them, and to which one a request belongs."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.config.load import Loaded
from sendwarden.core.decision import Request, Stage, Verdict
from sendwarden.core.networks import in_networks
from sendwarden.engine.channel import OTHER, Channel, Mode, channel_of
from tests.config.folder import load_folder

SITE = """
[webmail]
account = ["auth"]
[site]
domains = ["example.org", ".example.org", "bücher.example"]
internal = ["10.0.0.0/8", "2001:db8::/32"]
webmail = ["10.9.9.9"]
"""


def channel_for(loaded: Loaded, **facts: object) -> str:
    request = Request(Stage.END_OF_MESSAGE, **facts)  # type: ignore[arg-type]
    return channel_of(request, loaded.site.channels).name


# --- the shipped channels

# Who comes -> the channel he falls to.
SHIPPED: dict[str, tuple[dict[str, object], str]] = {
    "webmail": ({"client_address": "10.9.9.9"}, "webmail"),
    "webmail with a login": ({"client_address": "10.9.9.9", "login": "bob"}, "webmail"),
    "inside with a login": ({"client_address": "10.1.2.3", "login": "bob"}, "submission-auth-internal"),
    "inside, IPv6": ({"client_address": "2001:db8::7", "login": "bob"}, "submission-auth-internal"),
    "inside, IPv4 written as IPv6": (
        {"client_address": "::ffff:10.1.2.3", "login": "bob"},
        "submission-auth-internal",
    ),
    "outside with a login": ({"client_address": "192.0.2.7", "login": "bob"}, "submission-auth-external"),
    "inside without a login": ({"client_address": "10.1.2.3"}, "submission-noauth-internal"),
    "outside without a login": ({"client_address": "192.0.2.7"}, "other"),
    "a local program": ({}, "local"),
    "an address that is none": ({"client_address": "unknown"}, "other"),
}


@pytest.mark.parametrize("who", SHIPPED)
def test_a_request_falls_to_the_shipped_channel_that_it_fits(who: str, tmp_path: Path) -> None:
    facts, channel = SHIPPED[who]

    assert channel_for(load_folder(tmp_path, SITE), **facts) == channel


def test_a_channel_of_the_settings_is_tried_before_the_shipped_ones_and_in_their_order(
    tmp_path: Path,
) -> None:
    own = '[[channel]]\nname = "eve"\nmacros = { who = "eve" }\n[[channel]]\nname = "all"\nlogin = true\n'

    loaded = load_folder(tmp_path, SITE + own)

    assert [channel.name for channel in loaded.site.channels] == [
        "eve",
        "all",
        "webmail",
        "submission-auth-internal",
        "submission-auth-external",
        "submission-noauth-internal",
        "local",
    ]
    assert channel_for(loaded, login="bob", client_address="10.1.2.3", macros={"who": "eve"}) == "eve"
    assert channel_for(loaded, login="bob", client_address="10.1.2.3") == "all"
    assert channel_for(loaded, client_address="10.1.2.3") == "submission-noauth-internal"


@pytest.mark.parametrize("written", ["daemon_name", '"{daemon_name}"'])
def test_a_macro_is_meant_with_its_braces_or_without(tmp_path: Path, written: str) -> None:
    own = f'[[channel]]\nname = "mine"\nmacros = {{ {written} = "MSA" }}\n'

    loaded = load_folder(tmp_path, SITE + own)

    asked = {"login": "bob", "client_address": "10.1.2.3"}
    assert channel_for(loaded, **asked, macros={"{daemon_name}": "MSA"}) == "mine"
    assert channel_for(loaded, **asked, macros={"{daemon_name}": "MTA"}) == "submission-auth-internal"


def test_a_shipped_channel_named_in_the_settings_keeps_its_place_and_what_is_not_set(tmp_path: Path) -> None:
    own = '[[channel]]\nname = "submission-auth-internal"\nmode = "enforce"\nsenders = "own"\n'

    loaded = load_folder(tmp_path, SITE + own)

    changed = loaded.site.channels[1]
    assert (changed.name, changed.login, changed.mode) == ("submission-auth-internal", True, Mode.ENFORCE)
    assert changed.senders == "own" and changed.networks == loaded.site.internal
    assert [channel.mode for channel in loaded.site.channels] == [Mode.WATCH, Mode.ENFORCE, *[Mode.WATCH] * 3]


def test_what_a_channel_leaves_out_has_its_default(tmp_path: Path) -> None:
    (channel, *_) = load_folder(tmp_path, 'mode = "enforce"\n[[channel]]\nname = "a"\n').site.channels

    assert channel == Channel("a", mode=Mode.ENFORCE)
    assert (channel.unauthenticated, channel.refusal) == (Verdict.HOLD, Verdict.REFUSE)
    assert (channel.senders, channel.count, channel.networks) == ("any", "recipient", None)


@pytest.mark.parametrize(
    ("line", "attribute", "value"),
    [
        pytest.param('unauthenticated = "discard"', "unauthenticated", Verdict.DISCARD, id="unauthenticated"),
        pytest.param('refusal = "defer"', "refusal", Verdict.DEFER, id="refusal"),
        pytest.param('senders = "own"', "senders", "own", id="senders"),
        pytest.param('header_from = "own"', "header_from", "own", id="header_from"),
        pytest.param(
            'senders = "own"\nforeign_sender = "hold"', "foreign_sender", "hold", id="foreign_sender"
        ),
        pytest.param('envelope_from = "account"', "envelope_from", "account", id="what filters see"),
        pytest.param('count = "message"', "count", "message", id="count"),
        pytest.param('mode = "enforce"', "mode", Mode.ENFORCE, id="mode"),
        pytest.param('listener = "127.0.0.1:10032"', "listener", "127.0.0.1:10032", id="listener"),
        pytest.param("login = false", "login", False, id="login"),
        pytest.param("local = true\nnetworks = []", "local", True, id="local"),
        pytest.param('macros = { i = "1" }', "macros", {"i": "1"}, id="macros"),
    ],
)
def test_a_setting_of_a_channel_reaches_it(line: str, attribute: str, value: object, tmp_path: Path) -> None:
    (channel, *_) = load_folder(tmp_path, f'[[channel]]\nname = "a"\n{line}\n').site.channels

    assert getattr(channel, attribute) == value


# --- conditions

NETWORKS = {
    'networks = ["internal"]': ["10.0.0.0/8", "2001:db8::/32"],
    'networks = ["webmail"]': ["10.9.9.9/32"],
    'networks = ["webmail", "192.0.2.0/24"]': ["10.9.9.9/32", "192.0.2.0/24"],
    'networks = ["192.0.2.1", "2001:db8:1::/48"]': ["192.0.2.1/32", "2001:db8:1::/48"],
}


@pytest.mark.parametrize("line", NETWORKS)
def test_names_of_networks_stand_for_those_of_the_site(line: str, tmp_path: Path) -> None:
    loaded = load_folder(tmp_path, f'{SITE}[[channel]]\nname = "a"\n{line}\n')

    assert loaded.site.channels[0].networks == tuple(map(ip_network, NETWORKS[line]))
    for network in NETWORKS[line]:
        assert channel_for(loaded, client_address=str(ip_network(network)[0])) == "a"
    assert channel_for(loaded, client_address="198.51.100.1") == "other"
    assert channel_for(loaded) == "local"


LOGINS = st.sampled_from(["", "bob"])
CLIENTS = st.sampled_from(["", "10.0.0.1", "192.0.2.1", "unknown"])
MACROS = st.dictionaries(st.sampled_from("ij"), st.sampled_from("12"), max_size=2)
LISTENERS = st.sampled_from(["", "127.0.0.1:1", "127.0.0.1:2"])
NETS = st.sampled_from([None, (), (ip_network("10.0.0.0/8"),), (ip_network("0.0.0.0/0"),)])


@given(
    st.builds(Channel, st.just("a"), st.none() | st.booleans(), NETS, st.booleans(), LISTENERS, MACROS),
    st.builds(Request, st.just(Stage.MAIL), LISTENERS, client_address=CLIENTS, login=LOGINS, macros=MACROS),
)
def test_a_channel_takes_a_request_only_if_all_of_its_conditions_hold(
    channel: Channel, request: Request
) -> None:
    client, networks = request.client_address, channel.networks

    assert channel.fits(request) is all(
        [
            channel.login is None or channel.login == bool(request.login),
            not channel.listener or channel.listener == request.listener,
            all(request.macros.get(name) == value for name, value in channel.macros.items()),
            networks is None or (in_networks(client, networks) if client else channel.local),
        ]
    )


@given(st.lists(st.builds(Channel, st.text("abc", min_size=1), st.none() | st.booleans(), NETS), max_size=5))
def test_the_first_channel_that_fits_gets_the_request_and_what_fits_none_passes(
    channels: list[Channel],
) -> None:
    request = Request(Stage.MAIL, client_address="10.0.0.1", login="bob")

    found = channel_of(request, tuple(channels))

    fitting = [channel for channel in channels if channel.fits(request)]
    assert found is (fitting[0] if fitting else OTHER)
    assert OTHER.sourcefilter is None and not OTHER.destinationfilters and OTHER.fits(request)


def as_sent(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that is written as IPv6 is that IPv4 address."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


@given(st.ip_addresses(), st.integers(0, 128), st.ip_addresses())
def test_an_address_lies_in_a_network_as_the_library_says_however_it_is_written(
    inside: IPv4Address | IPv6Address, bits: int, other: IPv4Address | IPv6Address
) -> None:
    first = as_sent(inside)
    network = ip_network(f"{first}/{min(bits, first.max_prefixlen)}", strict=False)

    assert in_networks(str(inside), (network,))
    assert in_networks(str(other), (network,)) is (as_sent(other) in network)
    assert first.version == 6 or in_networks(f"::ffff:{first}", (network,))


@given(st.text(max_size=20))
def test_what_is_no_address_lies_in_no_network(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        assert not in_networks(text, (ip_network("0.0.0.0/0"), ip_network("::/0")))


# --- filters by recipient

RECIPIENTS = {
    "internal": [
        "bob@example.org",
        "bob@EXAMPLE.ORG",
        "bob@sub.example.org",
        "bob",
        "a@xn--bcher-kva.example",
    ],
    "external": ["bob@example.net", "bob@example.org.evil.example", '"bob@example.org"@evil.example'],
    "list.example": ["bob@list.example", "bob@LIST.example."],
    ".example.net": ["bob@a.example.net", "bob@a.b.EXAMPLE.net"],
    "Bücher.example": ["bob@bücher.example", "bob@xn--bcher-kva.example", "bob@BÜCHER.example"],
    "EXTERNAL": ["bob@example.net"],
}
NOT_RECIPIENTS = {
    "internal": ["bob@example.net", "bob@notexample.org"],
    "external": ["bob@example.org", "bob", "bob@sub.example.org"],
    "list.example": ["bob@sub.list.example", "bob@xlist.example", "list.example", ""],
    ".example.net": ["bob@example.net"],
    "Bücher.example": ["bob@bucher.example"],
    "EXTERNAL": ["bob@example.org"],
}


@pytest.mark.parametrize("key", RECIPIENTS)
def test_a_destination_filter_is_for_the_recipients_that_its_name_stands_for(
    key: str, tmp_path: Path
) -> None:
    settings = f'{SITE}[[channel]]\nname = "a"\ndestinationfilter = {{ "{key}" = "d.filter" }}\n'

    loaded = load_folder(tmp_path, settings, {"d.filter": "keep;"})

    assert not loaded.problems
    (destination,) = loaded.site.channels[0].destinationfilters
    assert [r for r in RECIPIENTS[key] if not destination.takes(r, loaded.site.domains)] == []
    assert [r for r in NOT_RECIPIENTS[key] if destination.takes(r, loaded.site.domains)] == []


def test_a_filter_that_several_channels_name_is_compiled_once_and_its_errors_are_told_once(
    tmp_path: Path,
) -> None:
    channel = '[[channel]]\nname = "{}"\nlogin = true\nsourcefilter = "{}"\nmacros = {{ i = "{}" }}\n'
    good = "".join(channel.format(name, "good.filter", name) for name in "ab")
    bad = "".join(channel.format(name, "bad.filter", name) for name in "cd")

    loaded = load_folder(tmp_path, good + bad, {"good.filter": "keep;", "bad.filter": "kep;"})

    a, b, c, d, *_ = loaded.site.channels
    assert a.sourcefilter is b.sourcefilter is not None and (c.sourcefilter, d.sourcefilter) == (None, None)
    assert [str(problem.place) for problem in loaded.problems] == ["bad.filter:1:1"]


def test_a_filter_with_warnings_alone_is_used(tmp_path: Path) -> None:
    settings = '[[channel]]\nname = "a"\nlogin = true\nsourcefilter = "w.filter"\n'

    loaded = load_folder(tmp_path, settings, {"w.filter": 'if header :matches "From" "*<*>*" { discard; }'})

    assert loaded.usable and loaded.site.channels[0].sourcefilter is not None
    assert [(problem.code, str(problem.place)) for problem in loaded.problems] == [("SW322", "w.filter:1:27")]


def test_identity_and_site_settings_reach_the_site(tmp_path: Path) -> None:
    more = (
        '[accounts]\nfold_case = false\nsubaddress = "-"\nrealms = ["Mail.Example"]\n'
        'windows_domains = ["CAMPUS"]\nexternal_logins = true\n'
    )
    site = load_folder(tmp_path, f'{SITE}host = "Mail.Example.Org"\nrelays = ["10.0.0.5"]\n{more}').site

    assert site.host == "mail.example.org" and site.external_logins is True
    assert site.domains == ("example.org", ".example.org", "xn--bcher-kva.example")
    assert site.relays == (ip_network("10.0.0.5/32"),)
    identity = site.identity
    assert (identity.fold_case, identity.subaddress, identity.realms, identity.windows_domains) == (
        False,
        "-",
        frozenset({"mail.example"}),
        frozenset({"campus"}),
    )
