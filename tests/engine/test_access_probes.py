"""engine.access: what each access table is asked, byte for byte, and with which input flags."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Request, Stage
from sendwarden.engine.access.probes import FIELD_LETTERS, Question, input_flags, probe_for
from sendwarden.engine.access.tables import RECIPIENT_TABLE_BITS, AccessRules
from sendwarden.engine.mapping.limits import PROBE_LETTERS

POLICY = {
    "server_address": "192.0.2.10",
    "server_port": "587",
    "client_port": "51539",
    "protocol_name": "ESMTP",
    "encryption_protocol": "TLSv1.3",
}
MILTER = {
    "{daemon_addr}": "192.0.2.10",
    "{daemon_port}": "587",
    "{client_port}": "51539",
    "{tls_version}": "TLSv1.3",
    "r": "ESMTP",
}
REQUEST = Request(
    Stage.RCPT,
    client_address="198.51.100.7",
    helo="pc.example.org",
    login="Eve",
    sender="eve@example.org",
    recipients=("bob@example.net",),
    macros=POLICY,
)
QUESTION = Question(REQUEST, "tcp_submit", "eve", ("example.org",))
RULES = AccessRules()
TRANSPORT = "TCP|192.0.2.10|587|198.51.100.7|51539"
SUBMISSION = f"{TRANSPORT}|SMTP/pc.example.org|MAIL"
SEND = "tcp_submit|eve@example.org|tcp_local|bob@example.net"

PROBES = {
    "PORT_ACCESS": TRANSPORT,
    "FROM_ACCESS": f"{SUBMISSION}|tcp_submit|eve@example.org|eve",
    "ORIG_SEND_ACCESS": SEND,
    "SEND_ACCESS": SEND,
    "ORIG_MAIL_ACCESS": f"{SUBMISSION}|{SEND}",
    "MAIL_ACCESS": f"{SUBMISSION}|{SEND}",
    "AUTH_REWRITE": "eve@example.org|||eve",
}


@pytest.mark.parametrize("macros", [POLICY, MILTER], ids=["policy", "milter"])
@pytest.mark.parametrize("table", PROBES)
def test_a_probe_is_the_same_byte_for_byte_by_policy_and_by_milter(
    table: str, macros: dict[str, str]
) -> None:
    question = replace(QUESTION, request=replace(REQUEST, macros=macros))

    assert probe_for(table, question, RULES) == PROBES[table]


# What differs from the request above -> what stands in the probe of a table.
VARIANTS: dict[str, tuple[Request, str, str]] = {
    "our own recipient": (
        replace(REQUEST, recipients=("Ann@EXAMPLE.org",)),
        "SEND_ACCESS",
        "tcp_submit|eve@example.org|ims-ms|Ann@EXAMPLE.org",
    ),
    "a recipient without a domain": (
        replace(REQUEST, recipients=("root",)),
        "SEND_ACCESS",
        "tcp_submit|eve@example.org|ims-ms|root",
    ),
    "the null sender": (replace(REQUEST, sender=""), "SEND_ACCESS", "tcp_submit||tcp_local|bob@example.net"),
    "a local program": (
        replace(REQUEST, client_address="", helo="", macros={}),
        "FROM_ACCESS",
        "|||||" + "|MAIL|tcp_submit|eve@example.org|eve",
    ),
    "Sendmail's IPv6": (
        replace(REQUEST, client_address="2001:db8::7", macros={"{if_addr}": "IPv6:2001:db8::1"}),
        "PORT_ACCESS",
        "TCP|2001:db8::1||2001:db8::7|",
    ),
    "the interface before the daemon": (
        replace(REQUEST, macros={"{daemon_addr}": "0.0.0.0", "{if_addr}": "192.0.2.1"}),  # noqa: S104 - Sendmail's words
        "PORT_ACCESS",
        "TCP|192.0.2.1||198.51.100.7|",
    ),
    "bars in every word of the client": (
        replace(REQUEST, helo="a|b", sender='"x|y"@evil', recipients=('"a|is-spam@b"@evil',)),
        "MAIL_ACCESS",
        f'{TRANSPORT}|SMTP/a!b|MAIL|tcp_submit|"x!y"@evil|tcp_local|"a!is-spam@b"@evil',
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_probe_of_another_request(name: str) -> None:
    request, table, expected = VARIANTS[name]

    assert probe_for(table, replace(QUESTION, request=request), RULES) == expected


def test_without_paranoia_bars_stay() -> None:
    request = replace(REQUEST, recipients=('"a|b"@evil',))

    probe = probe_for("SEND_ACCESS", replace(QUESTION, request=request), replace(RULES, paranoia=False))

    assert probe == 'tcp_submit|eve@example.org|tcp_local|"a|b"@evil'


@pytest.mark.parametrize(
    ("orcpt", "counts", "table", "added"),
    [
        (1, 0, "SEND_ACCESS", "|rfc822;bob@example.net"),
        (1, 0, "FROM_ACCESS", ""),
        (0, 1, "MAIL_ACCESS", "|3/2/"),
        (8, 8, "ORIG_MAIL_ACCESS", "|rfc822;bob@example.net|3/2/"),
        (8, 8, "ORIG_SEND_ACCESS", ""),
        (2, 0, "ORIG_SEND_ACCESS", "|rfc822;bob@example.net"),
        (0, 4, "SEND_ACCESS", "|3/2/"),
        (0, 16, "MAIL_ACCESS", "|3/2/"),
    ],
)
def test_options_add_fields_at_the_end_of_recipients_tables(
    orcpt: int, counts: int, table: str, added: str
) -> None:
    question = replace(QUESTION, request=replace(REQUEST, counts=(3, 2)))

    probe = probe_for(table, question, replace(RULES, orcpt=orcpt, counts=counts))

    assert probe == PROBES[table] + added


@pytest.mark.parametrize(
    ("given_by_client", "field"),
    [
        ("ORCPT=rfc822;Bob+2Bx@old.example", "rfc822;Bob+x@old.example"),
        ("orcpt=rfc822;a+7Cb+0A@c", "rfc822;a!b @c"),
    ],
)
def test_the_original_recipient_is_decoded_and_cannot_add_a_field(given_by_client: str, field: str) -> None:
    question = replace(QUESTION, request=replace(REQUEST, parameters=("NOTIFY=NEVER", given_by_client)))

    probe = probe_for("SEND_ACCESS", question, replace(RULES, orcpt=1))

    assert probe == f"{SEND}|{field}"


@pytest.mark.parametrize(
    ("headers", "middle"),
    [
        ((("From", "Eve <eve@x.example>"),), "|eve@x.example"),
        ((("sender", "s@x"), ("FROM", '"E, v" <eve@x>, b@y')), "s@x|eve@x"),
        ((("From", "a@x"), ("Sender", "s@x"), ("Resent-From", "r@x")), "|r@x"),
        ((("From", '"a|b"@x'),), "|a!b@x"),
    ],
)
def test_auth_rewrite_is_asked_about_addresses_of_the_header(
    headers: tuple[tuple[str, str], ...], middle: str
) -> None:
    probe = probe_for("AUTH_REWRITE", replace(QUESTION, headers=headers), RULES)

    assert probe == f"eve@example.org|{middle}|eve"


words = st.text(max_size=2000)


@given(words, words, words, words, words)
def test_whatever_a_client_says_a_probe_keeps_its_fields_and_is_short_enough_to_match(
    helo: str, sender: str, recipient: str, login: str, orcpt: str
) -> None:
    request = replace(
        REQUEST, helo=helo, sender=sender, recipients=(recipient,), parameters=(f"ORCPT={orcpt}",)
    )
    question = replace(QUESTION, request=request, account=login)

    for table, expected in PROBES.items():
        probe = probe_for(table, question, replace(RULES, orcpt=1, counts=1))
        added = 2 if table in RECIPIENT_TABLE_BITS else 0
        assert probe.count("|") == expected.count("|") + added
        assert len(probe) <= PROBE_LETTERS and "\n" not in probe
        assert max(map(len, probe.split("|"))) <= FIELD_LETTERS


# --- input flags

NOTIFIED = replace(REQUEST, parameters=("NOTIFY=SUCCESS,delay", "ORCPT=rfc822;a@b"))
FLAGS: dict[str, tuple[str, Request, str]] = {
    "PORT_ACCESS, asked once for dispatcher and server": ("PORT_ACCESS", REQUEST, "AS"),
    "login and TLS": ("FROM_ACCESS", REQUEST, "AT"),
    "nothing": ("FROM_ACCESS", replace(REQUEST, login="", macros={}), ""),
    "ESMTP": ("MAIL_ACCESS", REQUEST, "AET"),
    "plain SMTP": ("MAIL_ACCESS", replace(REQUEST, login="", macros={"protocol_name": "SMTP"}), ""),
    "LMTP": ("SEND_ACCESS", replace(REQUEST, login="", macros={"r": "LMTP"}), "L"),
    "delivery notices": ("ORIG_MAIL_ACCESS", NOTIFIED, "ADEST"),
    "a milter that names no protocol": ("SEND_ACCESS", replace(NOTIFIED, login="", macros={}), "DES"),
    "none of these at MAIL": ("FROM_ACCESS", NOTIFIED, "AT"),
}


@pytest.mark.parametrize("name", FLAGS)
def test_input_flags(name: str) -> None:
    table, request, expected = FLAGS[name]

    assert input_flags(table, replace(QUESTION, request=request)) == set(expected)
