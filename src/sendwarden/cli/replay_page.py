"""The report of a replay as one page of HTML: no scripts, nothing from elsewhere, every text escaped."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from sendwarden.service.replay_report import Record

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.4em;"
    "text-align:left;vertical-align:top}.n{text-align:right}"
)


def page(found: Record) -> str:
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Replay</title>',
        f"<style>{_STYLE}</style><h1>Replay</h1>",
        _facts(found),
        _stopped(found),
        _truth(found),
        "</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _facts(found: Record) -> str:
    guessed = " (guessed)" if found["domains_guessed"] else ""
    facts = [
        ("events", f"{found['events']} of {found['accounts']} accounts"),
        ("time", f"{_time(found['from'])} to {_time(found['to'])}"),
        ("own domains", f"{', '.join(found['domains'])}{guessed}"),
        ("at the worst", ", ".join(f"{count} {state}" for state, count in found["states"].items())),
        ("lines that are no events", str(found["wrong_lines"])),
    ]
    if found["breaker_tripped_at"] is not None:
        facts.append(("the breaker stopped all holding", _time(found["breaker_tripped_at"])))
    return _table(("", ""), facts)


def _stopped(found: Record) -> str:
    rows = [
        (
            account["user"],
            "; ".join(f"{step['action']} {_time(step['ts'])}" for step in account["steps"]),
            f"{account['says']}. {account['without']}",
            str(account["messages_before"]),
            str(account["recipients_before"]),
            str(account["recipients_let_through"]),
        )
        for account in found["stopped"]
    ]
    names = (
        "account",
        "steps",
        "why",
        "messages from the first suspicion to held",
        "recipients",
        "let through by the probe hold",
    )
    return f"<h2>Throttled, held, contained</h2>{_table(names, rows)}" if rows else ""


def _truth(found: Record) -> str:
    truth = found.get("truth")
    if not truth:
        return ""
    rows = [("missed", each["user"], each["attack"] or "") for each in truth["missed"]]
    rows += [("false alarm", each["user"], each["state"]) for each in truth["false_alarms"]]
    median = truth["median_minutes_to_held"]
    took = "" if median is None else f", in {median} minutes (median)"
    said = f"<h2>Against the truth</h2><p>{truth['held']} of {truth['stolen']} stolen accounts held{took}</p>"
    return said + _table(("", "account", ""), rows)


def _table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d %b %Y %H:%M:%S UTC}"
