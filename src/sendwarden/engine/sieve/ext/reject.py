"""RFC 5429: `reject` and `ereject`; `refuse` is ereject's name in Messaging Server before 7.0.

``erejec`` is what the document writes to get round a bug of the original; it means `ereject`. Only this one
shortened form is taken: any other would hide a typing error.
"""

from sendwarden.engine.sieve.outcome import Reject
from sendwarden.engine.sieve.registry import Capability, Parameter, Spec, Use
from sendwarden.engine.sieve.run import Run, Step


def _reject(use: Use) -> Step:
    line, text, in_protocol = use.line, use.text("reason"), use.name != "reject"
    use.facts.actions.add("reject")

    def reject(run: Run) -> bool:
        run.act(Reject(line, text.get(run), in_protocol))
        return False

    return reject


def _spec(name: str) -> Spec:
    return Spec(name, "command", _reject, (Parameter("reason", "string"),))


CAPABILITIES = (
    Capability("reject", (_spec("reject"),)),
    Capability("ereject", (_spec("ereject"), _spec("erejec"))),
    Capability("refuse", (_spec("refuse"),)),
)
