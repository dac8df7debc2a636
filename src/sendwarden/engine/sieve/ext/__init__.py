"""Extensions, one file a group, and the table that names them all."""

from sendwarden.engine.sieve.registry import Capability

from . import core, mailserver, reject, relational, small, spamvirus, variables

# A new extension is one file and its line here.
CAPABILITIES: tuple[Capability, ...] = (
    *core.CAPABILITIES,
    *variables.CAPABILITIES,
    *relational.CAPABILITIES,
    *reject.CAPABILITIES,
    *small.CAPABILITIES,
    *spamvirus.CAPABILITIES,
)

# What only an administrator's scripts may use.
ADMINISTRATOR: tuple[Capability, ...] = mailserver.CAPABILITIES
