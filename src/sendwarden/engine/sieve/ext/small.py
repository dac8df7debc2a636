"""Extensions of a few lines: RFC 3894 `copy`."""

from sendwarden.engine.sieve.registry import Capability, Tag

_COPY = (Tag(":copy", "copy", capability="copy"),)

CAPABILITIES = (Capability("copy", tags={"fileinto": _COPY, "redirect": _COPY}),)
