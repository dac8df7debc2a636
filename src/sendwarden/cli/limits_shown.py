"""What ``limits`` and ``account`` print: limits with what was used of them, and what was done by hand."""

import shlex
from collections.abc import Mapping
from typing import Any

from sendwarden.cli.until import end, moment
from sendwarden.core.texts import channel_shown
from sendwarden.core.units import duration

Answer = Mapping[str, Any]


def reset_lines(answer: Answer) -> list[str]:
    account = answer["account"]
    begins = list(map(channel_shown, answer["channels"]))
    begins += [f"MeterMaid's {one['table']} (key {one['key']})" for one in answer["meters"]]
    said = f"begins at 0 on {', '.join(begins)}" if begins else "nothing was counted"
    lines = [f"{account}: {said}"]
    lines += [
        f"  goes on: MeterMaid's {one['table']}, {meter_text(one)}{_whose(one)}" for one in answer["goes_on"]
    ]
    return lines


def _whose(meter: Answer) -> str:
    """Why a meter was not reset."""
    alone = f": limits reset {shlex.quote(meter['key'])}"
    match meter["whose"]:
        case "lent":
            return f", an address that is lent to it{alone}"
        case "alike":
            return f", by its name another account{alone}"
    return ", which counts over all channels: leave --channel out"


def set_lines(answer: Answer) -> list[str]:
    lines = []
    for channel in dict.fromkeys(one["channel"] for one in answer["set"]):
        together = [one for one in answer["set"] if one["channel"] == channel]
        lines.append(
            f"{answer['account']}: {', '.join(map(_how_much, together))}{_on(together[0])} "
            f"until {end(together[0]['until'])} ({together[0]['reason']})"
        )
    lines += [f"  in the place of: {entry_line(one)}" for one in answer["replaced"]]
    lines += [f"  goes on: {entry_line(one)}" for one in answer["goes_on"]]
    return lines


def listed_lines(entries: list[dict[str, Any]]) -> list[str]:
    """What was set by hand, an account a line."""
    return [f"{one['account']}   {entry_line(one)}" for one in entries] or ["no limits are set by hand"]


def state_lines(entries: list[dict[str, Any]]) -> list[str]:
    """States that were set by hand, and accounts that have half of their limits after one."""
    return [
        f"{one['account']}   {'after an incident: ' if one['kind'] == 'incident' else ''}{one['state']} "
        f"until {end(one['until'])}, set by {one['by']} {moment(one['at'])}: {one['reason']}"
        for one in entries
    ] or ["no states are set by hand"]


def entry_line(entry: Answer) -> str:
    """What was set by hand, until when, and by whom."""
    return (
        f"{_how_much(entry)}{_on(entry)} until {end(entry['until'])}, set by {entry['by']} "
        f"{moment(entry['at'])}: {entry['reason']}"
    )


def _on(entry: Answer) -> str:
    return f" on {entry['channel']}" if entry["channel"] else ""


def _how_much(entry: Answer) -> str:
    rates = ", ".join(f"{counted} {amount}/{duration(window)}" for counted, amount, window in entry["rates"])
    most = f"{entry['per_message']} of one message" if entry["per_message"] else ""
    both = ", ".join(filter(None, (rates, most)))
    return f"row {entry['row']} ({both})" if entry["row"] else both or "unlimited"


def shown(answer: Answer, *, sources: bool) -> list[str]:
    """An account's state and limits as lines."""
    kept = answer["set"]
    held = (
        f"   since {moment(kept['at'])} until {end(kept['until'])}, by {kept['by']}: {kept['reason']}"
        if kept
        else ""
    )
    lines = [f"{answer['account']}   {answer['state']}{held}", *_lasting(answer)]
    if kept and kept.get("tell"):
        lines.append(f"  whoever sends is told: {kept['tell']}")
    if answer.get("shared") is False:
        lines.append(
            "  the shared counts are away: what other Sendwardens counted lately is not in these numbers"
        )
    for channel in answer["channels"]:
        lines += [
            f"  {channel_shown(channel['channel'])}{_watching(channel)}",
            *_row_lines(channel, sources=sources),
        ]
        if channel["per_message"]:
            lines.append(f"    {'recipients':<11}{channel['per_message']:>7} of one message")
        if not channel["limits"]:
            lines.append("    unlimited")
    for meter in answer["meters"]:
        lines += [f"  {meter['table']}   (a table of MeterMaid's)", f"    {meter_text(meter)}{_lent(meter)}"]
    return lines


def _row_lines(row: Answer, *, sources: bool) -> list[str]:
    """What was set instead of a row's limits, and the limits."""
    return [
        *(f"    {_override_line(one)}" for one in row["overrides"]),
        *(_limit_line(limit, sources=sources) for limit in row["limits"]),
    ]


def _watching(row: Answer) -> str:
    return "   (watching only)" if row["mode"] == "watch" else ""


def _override_line(override: Answer) -> str:
    until = f" until {end(override['until'])}" if override["until"] else ""
    most = [f"{override['per_message']} of one message"] if override["per_message"] else []
    what = "instead of all" if override["whole"] else ", ".join([*override["limits"], *most])
    return f"override ({what}){until}, {override['source']}: {override['reason']}"


def meter_text(meter: Answer) -> str:
    """What a meter of MeterMaid's counted for its key."""
    room = f"   full; room again {moment(meter['frees_at'])}" if "frees_at" in meter else ""
    used = f"{meter['used']:g} of {meter['quota']} in {duration(meter['window_s'])}"
    return f"{used}, key {meter['key']}{room}"


def _lent(meter: Answer) -> str:
    words = {"lent": "   lent to the account", "alike": "   by its name another account"}
    return words.get(meter["whose"], "")


def incoming_lines(key: Answer, *, sources: bool) -> list[str]:
    name = f"{key['key']}   {key['channel']}"
    if not key["counted"]:
        return [f"{name}   is not counted: [incoming] limits does not name {key['channel']}"]
    apart = "   is not counted: ours, or in except_networks or except_domains" if key["apart"] else ""
    lines = [f"{name}{_watching(key)}{apart}", *_row_lines(key, sources=sources)]
    return lines if key["limits"] else [*lines, "    unlimited"]


def _lasting(answer: Answer) -> list[str]:
    """Why an account has less room for a while."""
    lines = []
    if incident := answer["after_incident"]:
        lines.append(
            f"  after an incident ({incident['state']}: {incident['reason']}): half of its limits "
            f"until {end(incident['until'])}"
        )
    if answer["new_until"]:
        lines.append(f"  new account: row new-account holds besides until {end(answer['new_until'])}")
    counted = {limit["counted"] for channel in answer["channels"] for limit in channel["limits"]}
    if "new" in counted and answer["learning_until"]:
        lines.append(
            f"  whom accounts wrote to is being learnt: nobody is new until {end(answer['learning_until'])}"
        )
    return lines


def _limit_line(limit: Answer, *, sources: bool) -> str:
    used = f"~{limit['used']}" if limit.get("estimated") else limit["used"]
    line = f"    {limit['counted']:<11}{used:>7} of {limit['most']} in {limit['window']}"
    if limit.get("frees_at"):
        line += f"   full; room again {moment(limit['frees_at'])}"
    return f"{line}   from row {limit['row']}" if sources else line
