"""Mail through a real Postfix with Sendwarden as its policy service, against the same with the least server.

That one only answers DUNNO.
Both are asked at RCPT and at the end of the message. Postfix discards what it takes; smtp-source sends. The
two are loaded in turn, and the ratio is taken within a round.

    scripts/namespace .venv/bin/python -m bench.postfix_rate --rounds 7
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from bench.policy_rate import compiled
from bench.policy_servers import Limit, Running, plain_scan, sendwarden
from tests.servers.postfix import Postfix, Service

TARGET = 0.9
SESSIONS = 20


def asking(server: Running) -> dict[str, str]:
    """What Postfix's smtpd is set to, to ask it."""
    check = f"check_policy_service {{ inet:127.0.0.1:{server.place}, timeout=2s }}"
    return {"smtpd_recipient_restrictions": f"{check}, permit", "smtpd_end_of_data_restrictions": check}


def sent(postfix: Postfix, service: str, messages: int, recipients: int) -> float:
    """Messages a second."""
    begun = time.monotonic()
    postfix.space.run(
        "smtp-source", "-s", str(SESSIONS), "-m", str(messages), "-r", str(recipients), "-l", "2000",
        "-f", "prof@example.org", "-t", "student@x.example", f"inet:127.0.0.1:{postfix.ports[service]}",
    )  # fmt: skip
    return messages / (time.monotonic() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=1000, help="of each server in each round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        limit = Limit(compiled(Path(folder), "limit")).tcp()
        ours, _unix = sendwarden(plain_scan())
        services = [Service("limit", asking(limit)), Service("sendwarden", asking(ours)), Service("nobody")]
        postfix = Postfix(9, services, more="default_transport = discard")
        print(f"{arguments.rounds} rounds of {arguments.messages} messages, {SESSIONS} sessions")
        for recipients in (1, 10):
            rates: dict[str, list[float]] = {service.name: [] for service in services}
            for _ in range(arguments.rounds):
                for name, found in rates.items():
                    found.append(sent(postfix, name, arguments.messages, recipients))
            ratios = [a / b for a, b in zip(rates["sendwarden"], rates["limit"], strict=True)]
            medians = ", ".join(f"{name} {statistics.median(found):.0f}/s" for name, found in rates.items())
            print(
                f"{recipients} recipients: {statistics.median(ratios):.2f} of the limit server's "
                f"(target {TARGET}; {min(ratios):.2f} to {max(ratios):.2f}): {medians}",
                flush=True,
            )
        postfix.stop()
        ours.stop()
        limit.stop()


if __name__ == "__main__":
    main()
