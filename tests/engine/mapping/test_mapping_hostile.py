"""Whatever a client writes into a probe: a scan ends, raises nothing, and tells nothing of what it held."""

from hypothesis import given
from hypothesis import strategies as st

from sendwarden.engine.mapping.limits import PATTERN_PARTS, PROBE_LETTERS
from sendwarden.engine.meters.options import TableOptions
from tests.engine.mapping.worlds import Echo, TestWorld, tables, world_with

EVERYTHING = """EVERYTHING

  loop*                       $Rloop$0
  grow*                       $0$0$R
  $[a-z]*@*$(10.0.0.0/8)*     $C$|OTHER;$0|$Y
  *${2001:db8::/32}*          $C$|/OTHER/$0|
  *$A*$0*$_*|$D*%             $C$[check_metermaid.so,throttle,sliding,$\\$0]$0
  *,*                         $C$[check_metermaid.so,throttle,addresses,$0]
  *,*                         $C$[check_metermaid.so,query,leaky,$1]$N
  *,*                         $C$[check_metermaid.so,throttle,$0,$1]
  *,*                         $C$[check_metermaid.so,store,words,$0,$1]
  *,*                         $C$[check_metermaid.so,store,numbers,$0,$1]
  *,*                         $C$[check_metermaid.so,adjust,numbers,$0,$1$1]
  *,*                         $C$[check_metermaid.so,adjust_and_test,numbers,x,$1,>$0$0]
  *,*                         $C$[check_metermaid.so,test,numbers,x,$1]
  *,*                         $C$[check_metermaid.so,fetch,words,$0]
  *,*                         $C$[check_metermaid.so,remove,words,$0]
  *,*                         $C$[check_metermaid.so,greylisting,triplets,$0]
  *,*                         $C$[echo.so,again,$0,$1]$^$0$=$1$_$#n|36|3#
  *                           $C$?50?$;Ax$L
  *                           $Y$0

OTHER

  *%*                         $Y$|EVERYTHING;$1|
  *                           $Y$0
"""

METERS = (
    TableOptions("sliding", quota=2, options=frozenset({"nocase", "penalize"})),
    TableOptions("leaky", quota=1, algorithm="leaky", max_entries=2),
    TableOptions("addresses", data_type="ipv4", algorithm="fixed"),
    TableOptions("words", type="simple", max_entries=2),
    TableOptions("numbers", type="simple", value_type="integer"),
    TableOptions("triplets", type="greylisting"),
)
SCRAPS = st.sampled_from(
    ["loop", "grow", "a@10.1.2.3", "2001:db8::1", "aa|1", ",", ",", "|", "9" * 4000, "a" * 3000,
     "-1", "+", "$", "$[", "$0", "]", "}", "*", "%", "\\", "\0", "\n", "\r", "é", "İ", "\udc80", "\ud800",
     "\U0001f600", "a" * PROBE_LETTERS, "sliding"]
)  # fmt: skip
PROBES = st.lists(SCRAPS | st.text(max_size=4), max_size=6).map("".join)


@given(st.lists(PROBES, min_size=1, max_size=4))
def test_no_probe_makes_a_scan_raise_and_all_it_counts_can_be_kept(probes: list[str]) -> None:
    found = tables(EVERYTHING, Echo(lambda arguments: arguments[0]).images)
    world = world_with(*METERS)

    for probe in probes:
        found.scan("EVERYTHING", probe, world, frozenset("A"))
        found.scan("EVERYTHING", probe, world, trace=[])
        world.now += 40

    for table, change in world.meters.changes(world.now).meters:
        assert len(change.key.encode("utf-8", "surrogateescape")) <= 255
        for number, part in change.parts:
            world.meters.restore(table, change.key, {number: part}, world.now)


@given(PROBES, PROBES)
def test_warnings_hold_nothing_of_the_probe(one: str, other: str) -> None:
    found = tables(EVERYTHING, Echo(lambda arguments: arguments[0]).images)
    told: list[set[tuple[str, str]]] = []
    for marker in ("Quetzal", "Xylophon"):
        world = world_with(*METERS)
        found.scan("EVERYTHING", f"{one}{marker},{marker}{other}", world)
        told.append(set(world.warnings))

    assert not any(
        "quetzal" in about.lower() or "xylophon" in about.lower() for told_by in told for _, about in told_by
    )


def test_the_largest_pattern_on_the_longest_probe_needs_no_deep_stack() -> None:
    pattern = "$A%$D%" * (PATTERN_PARTS // 2)
    found = tables(f"T\n{pattern} $Y\n* $|T1;$0|\nT1\n{pattern} $Y\n* $|T;$0|\n")

    assert found.scan("T", "a1" * (PATTERN_PARTS // 2), TestWorld()).yes
    assert not found.scan("T", "a" * PROBE_LETTERS, TestWorld()).yes


def test_a_sender_cannot_bring_a_meter_down_with_half_a_letter() -> None:
    world = world_with(TableOptions("t", quota=1))
    found = tables("T\n*|* $[check_metermaid.so,throttle,t,$0]$0$Y\n")

    answers = [found.scan("T", "\ud800@example.org|x", world).yes for _ in range(2)]

    assert answers == [False, True]
