"""What becomes of a message by what scanners found: the channel says, under the no-backscatter rule."""

from dataclasses import replace

from sendwarden.core.decision import Decision, Message, Reason, Verdict
from sendwarden.core.scan import Finding
from sendwarden.engine.backscatter import sayable
from sendwarden.engine.channel import Channel, Mode
from sendwarden.service.ports import References
from sendwarden.service.rulings import SEVERITY
from sendwarden.service.site import Site

# A message that somebody received, or that is held for him, and that a scanner calls phishing.
PHISHING = "phishing-found"


def reasons_of(finding: Finding) -> list[Reason]:
    """One scanner's answer in the log's words."""
    name = finding.scanner
    if finding.failed:
        return [Reason("scanner-silent", {"scanner": name, "why": finding.failed})]
    found = []
    if finding.phishing:
        found.append(Reason(PHISHING, {"scanner": name, "rule": finding.phishing}))
    if finding.score is not None:
        numbers: dict[str, str | int | float] = {"scanner": name}
        numbers |= {"score": finding.score, "threshold": finding.threshold}
        found.append(Reason("spam-scored" if finding.spam else "scored", numbers))
    if finding.virus:
        found.append(Reason("virus-found", {"scanner": name, "virus": finding.virus}))
    return found


def with_findings(
    decision: Decision, message: Message, channel: Channel, site: Site, references: References
) -> Decision:
    """A decision with what scanners found. The last reason is the one that is said."""
    found = [reason for finding in message.findings for reason in reasons_of(finding)]
    wanted = [channel.spam] if any(finding.spam for finding in message.findings) else []
    wanted += [channel.virus] if any(finding.virus for finding in message.findings) else []
    verdict = min(wanted, key=SEVERITY.index, default=Verdict.ACCEPT)
    said = sayable(verdict, message.request, channel, site.internal, site.relays)
    if said is not verdict:
        found.append(Reason("no-backscatter", {"verdict": said.value}))
    if SEVERITY.index(said) >= SEVERITY.index(decision.verdict):
        return replace(decision, reasons=(*found, *decision.reasons))
    return replace(
        decision,
        verdict=said,
        reasons=(*decision.reasons, *found),
        text="",
        enhanced="5.7.1",
        reference=decision.reference or references.next(),
        watched=channel.mode is Mode.WATCH,
    )
