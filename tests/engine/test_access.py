"""engine.access: what the answers of access tables mean, whatever the order of their flags."""

from itertools import islice, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sendwarden.core.decision import Request, Stage, Verdict
from sendwarden.engine.access.effects import DELAY_S, ORDER, Effects, Refusal, effects_of
from sendwarden.engine.access.probes import Question, input_flags, probe_for
from sendwarden.engine.access.tables import TABLES as ACCESS
from sendwarden.engine.access.tables import AccessRules, present
from tests.engine.mapping.worlds import TestWorld, scan, tables

# --- effects

SMTP_REFUSED = Refusal("Relaying not allowed", "5.7.1")


def effects(template: str, table: str = "FROM_ACCESS") -> Effects:
    """What one entry does, template language and all."""
    result = scan(f"T\n\n  *  {template}\n", "probe")
    return effects_of(table, result.flags, result.text)


EFFECTS: dict[str, Effects] = {
    "$Y": Effects(),
    "any$ text": Effects(),
    # The three spellings of the manual.
    "30|Relaying$ not$ allowed$D$N": Effects(SMTP_REFUSED, delay_s=0.3, delays_on=True),
    "$N$D30|Relaying$ not$ allowed": Effects(SMTP_REFUSED, delay_s=0.3, delays_on=True),
    "30|$N$DRelaying$ not$ allowed": Effects(SMTP_REFUSED, delay_s=0.3, delays_on=True),
    "$N": Effects(Refusal("unauthorized", "5.7.1")),
    "$F": Effects(Refusal("unauthorized", "5.7.1")),
    "$Fno": Effects(Refusal("no", "5.7.1")),
    "$Y$N$ ": Effects(Refusal("unauthorized", "5.7.1")),
    "$N$Yboth:$ no": Effects(Refusal("both: no", "5.7.1")),
    "$Nwith|a$ bar": Effects(Refusal("with|a bar", "5.7.1")),
    "$X4.7.1|$NToo$ many$ messages": Effects(Refusal("Too many messages", "4.7.1")),
    "$NToo$ many$X": Effects(Refusal("unauthorized", "5.7.1")),  # what stands first is the status
    "$X5.7.0|$N": Effects(Refusal("unauthorized", "5.7.0")),
    "$Xno$ status|$Nno": Effects(Refusal("no", "5.7.1")),
    "$X2.0.0|$Nno": Effects(Refusal("no", "5.7.1")),
    "$X4.7.1|": Effects(),
    "$N451$ 4.7.1$ Later": Effects(Refusal("Later", "4.7.1", 451)),
    "$N421$ Later": Effects(Refusal("Later", "4.7.1", 421)),
    "$N5.7.9$ No": Effects(Refusal("No", "5.7.9")),
    "$N550": Effects(Refusal("unauthorized", "5.7.1", 550)),
    "$X4.7.1|$N550$ No": Effects(Refusal("No", "4.7.1")),  # the status counts, and no code contradicts it
    "$N5500$ of$ them": Effects(Refusal("5500 of them", "5.7.1")),
    "$D50|": Effects(delay_s=0.5, delays_on=True),
    "$D-50": Effects(delay_s=0.5),
    "$D500": Effects(delay_s=DELAY_S, delays_on=True),
    "$D0": Effects(delays_on=True),
    "$Dsoon": Effects(void=("D",)),
    "$H": Effects(fate=Verdict.HOLD, whole=True),
    "$B": Effects(fate=Verdict.DISCARD),
    "$V": Effects(fate=Verdict.DISCARD, whole=True),
    "$Z": Effects(fate=Verdict.DISCARD, whole=True),
    "$Z$H": Effects(fate=Verdict.DISCARD, whole=True),
    "$H$B": Effects(fate=Verdict.HOLD, whole=True),
    "$H$Nno": Effects(Refusal("no", "5.7.1")),
    "$AX-Trust:$ low": Effects(header=("X-Trust", "low")),
    "$Ano$ header": Effects(void=("A",)),
    "$AX-Empty:": Effects(void=("A",)),
    "$Jnew@example.org": Effects(sender="new@example.org"),
    "$J<>": Effects(sender=""),
    "$Jtwo$ words": Effects(void=("J",)),
    "$Keve@example.org": Effects(fields={"Sender": "eve@example.org"}),
    "$Jn@x|$Keve@x": Effects(sender="n@x", fields={"Sender": "eve@x"}),
    "$Tspam-run": Effects(tag="spam-run"),
    "$<seen": Effects(told="seen"),
    "$>seen": Effects(),
    "$>denied|$Nno": Effects(Refusal("no", "5.7.1"), told="denied"),
    "$<seen|$>denied|$Nno": Effects(Refusal("no", "5.7.1"), told="seen; denied"),
    "$I$Neve|staff|no": Effects(Refusal("no", "5.7.1"), void=("I",)),
    "$U$N2|no": Effects(Refusal("no", "5.7.1"), void=("U",)),
    "$!": Effects(void=("!",)),
    "$S$Nx|no": Effects(Refusal("no", "5.7.1"), void=("S",)),
    "$U$J$K$I$<$>$D$T$A$X$S$N1|j@x|k@x|u|g|seen|denied|10|tag|X-A:$ b|4.7.2|s|no": Effects(
        Refusal("no", "4.7.2"),
        delay_s=0.1,
        delays_on=True,
        header=("X-A", "b"),
        sender="j@x",
        fields={"Sender": "k@x"},
        tag="tag",
        told="seen; denied",
        void=("I", "S", "U"),
    ),
}


@pytest.mark.parametrize("template", EFFECTS)
def test_what_a_template_does(template: str) -> None:
    assert effects(template) == EFFECTS[template]


@pytest.mark.parametrize("template", EFFECTS)
def test_where_flags_stand_does_not_matter(template: str) -> None:
    flags = [
        template[at : at + 2]
        for at in range(len(template))
        if template[at] == "$" and template[at + 1] != " "
    ]
    text = template
    for flag in flags:
        text = text.replace(flag, "", 1)

    for order in islice(permutations(flags), 24):
        assert effects(text + "".join(order)) == EFFECTS[template]
        assert effects("".join(order) + text) == EFFECTS[template]


PORT = {
    "$YEXTERNAL": Effects(connection="EXTERNAL"),
    "$Y": Effects(),
    "EXTERNAL": Effects(),
    "$D10|$YEXTERNAL": Effects(delay_s=0.1, delays_on=True, connection="EXTERNAL"),
    "$N421$ No$ more$ from$ here": Effects(Refusal("No more from here", "4.7.1", 421)),
    "$N": Effects(Refusal("unauthorized", "5.7.1")),
    "$N$YEXTERNAL": Effects(Refusal("EXTERNAL", "5.7.1")),
}


@pytest.mark.parametrize("template", PORT)
def test_what_port_access_does(template: str) -> None:
    assert effects(template, "PORT_ACCESS") == PORT[template]


REWRITE = {
    "$Jn@x": Effects(sender="n@x"),
    "$Kn@x": Effects(sender="n@x"),
    "$Ys@x": Effects(fields={"Sender": "s@x"}),
    "$Ts@x": Effects(fields={"Sender": "s@x"}),
    "n@x|s@x|$J$Y$Zf@x": Effects(sender="n@x", fields={"Sender": "s@x", "From": "f@x"}),
    "$N": Effects(Refusal("invalid originator address used", "5.7.1")),
    "$NNot$ yours": Effects(Refusal("Not yours", "5.7.1")),
    "$Jno$ path": Effects(void=("J",)),
    "$Y": Effects(),
}


@pytest.mark.parametrize("template", REWRITE)
def test_what_auth_rewrite_does(template: str) -> None:
    assert effects(template, "AUTH_REWRITE") == REWRITE[template]


letters = st.sets(st.sampled_from("ABDFHIJKNSTUVXYZ<>!QQ")).map(frozenset)
TABLES = st.sampled_from(sorted(name for names in ACCESS.values() for name in names))


@given(TABLES, letters, st.text() | st.text("|0123456789.-:x@ \n", max_size=60))
def test_no_answer_is_a_mistake_of_ours_and_what_it_says_holds_no_line_end(
    table: str, flags: frozenset[str], text: str
) -> None:
    found = effects_of(table, flags, text)

    assert 0 <= found.delay_s <= DELAY_S
    said = [
        found.tag,
        found.told,
        found.connection,
        found.sender or "",
        *found.fields.values(),
        *(found.header or ()),
    ]
    if found.refusal:
        said.append(found.refusal.text)
        assert found.refusal.text.strip() and found.refusal.enhanced[0] in "45"
        assert str(found.refusal.code)[0] in ("0", found.refusal.enhanced[0])
    assert not any(letter < " " or letter == "\x7f" for each in said for letter in each)
    if table != "AUTH_REWRITE":
        assert (found.refusal is not None) is bool(flags & {"N", "F"})


@given(st.lists(st.sampled_from([letter for group in ORDER for letter in group]), unique=True), st.randoms())
def test_the_order_of_flags_in_a_template_never_matters(flags: list[str], random: object) -> None:
    del random
    text = "1|j@x|k@x|u|g|seen|denied|10|tag|X-A:$ b|4.7.2|s|no"
    forward = "".join(f"${flag}" for flag in flags)
    backward = "".join(f"${flag}" for flag in reversed(flags))

    assert effects(forward + text) == effects(text + backward) == effects(backward + text)


# --- nested tables, and which tables there are

NESTED = """
PORT_ACCESS

  *|*|*|*|*  $C$|INTERNAL_IP;$3|$Y$E
  *          $YEXTERNAL

INTERNAL_IP

  $(10.0.0.0/8)  $Y
  *              $N
"""


@pytest.mark.parametrize(("client", "tag"), [("10.1.2.3", ""), ("198.51.100.7", "EXTERNAL")])
def test_a_table_asks_another_one_with_a_field_of_its_probe(client: str, tag: str) -> None:
    question = Question(Request(Stage.CONNECT, client_address=client), "c")
    probe = probe_for("PORT_ACCESS", question, AccessRules())

    result = tables(NESTED).scan("PORT_ACCESS", probe, TestWorld(), input_flags("PORT_ACCESS", question))

    assert effects_of("PORT_ACCESS", result.flags, result.text) == Effects(connection=tag)
    assert result.entry and result.entry.pattern_place.line == (4 if not tag else 5)


def test_only_tables_that_a_site_has_make_a_step() -> None:
    found = present(tables(NESTED + "\nMAIL_ACCESS\n\n  *  $Y\n\nORIG_SEND_ACCESS\n\n  *  $Y\n").__contains__)

    assert found == {Stage.CONNECT: ("PORT_ACCESS",), Stage.RCPT: ("ORIG_SEND_ACCESS", "MAIL_ACCESS")}
