"""RFC 5235: `spamtest`, `spamtestplus` (:percent) and `virustest`, of what scanners found (`core.scan`).

Of several scanners the highest result counts. A message that nobody looked at has the value "0"; with
`spamtestplus`, :count tells it ("0") from one that is clean ("1").
"""

from collections.abc import Callable

from sendwarden.core.scan import spam_level, spam_percent, virus_level
from sendwarden.engine.sieve.registry import Capability, Parameter, Spec, Tag, Use
from sendwarden.engine.sieve.run import Run, Step

_VALUE = (Parameter("value", "string"),)
_PERCENT = Tag(":percent", "percent", capability="spamtestplus")

# What a run's scanners found: the value, and whether any of them looked.
Reading = Callable[[Run], tuple[int, bool]]


def _spam(run: Run) -> tuple[int, bool]:
    percent = spam_percent(run.mail.findings)
    return spam_level(percent), percent is not None


def _spam_percent(run: Run) -> tuple[int, bool]:
    percent = spam_percent(run.mail.findings)
    return percent or 0, percent is not None


def _virus(run: Run) -> tuple[int, bool]:
    level = virus_level(run.mail.findings)
    return level, level > 0


def _spamtest(use: Use) -> Step:
    return _test(use, _spam_percent if use.tag("percent") else _spam)


def _virustest(use: Use) -> Step:
    return _test(use, _virus)


def _test(use: Use, reading: Reading) -> Step:
    use.facts.scores = True
    counted = use.matched_count()
    if counted:
        return lambda run: counted(run, int(reading(run)[1]))
    matched = use.matched()
    return lambda run: matched(run, (str(reading(run)[0]),))


_SPAMTEST = Spec("spamtest", "test", _spamtest, _VALUE, (_PERCENT,), matching=True)

CAPABILITIES = (
    Capability("spamtest", (_SPAMTEST,)),
    Capability("spamtestplus", (_SPAMTEST,)),  # brings the whole test (RFC 5235 section 2.2)
    Capability("virustest", (Spec("virustest", "test", _virustest, _VALUE, matching=True),)),
)
