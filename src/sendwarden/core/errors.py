"""Every error a caller is expected to handle. Anything else is a bug and must propagate."""


class SendwardenError(Exception):
    """Root, so that one `except` at the edge can tell ours from a bug."""


class StoreDown(SendwardenError):
    """The store gave no answer or is not to be trusted. The caller decides: fail open or closed."""


class ScannerDown(SendwardenError):
    """A scanner gives no answer that can be used. The message passes unscored; its text says why."""
