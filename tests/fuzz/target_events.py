"""Any line is events or one `LineError`; events are written and read again, and a machine takes them all."""

from sendwarden.core.event_line import LineError, read_event, write_event
from sendwarden.detect.keeping import from_bytes, to_bytes
from sendwarden.detect.machine import Machine
from sendwarden.detect.site import SiteContext


def check(data: bytes) -> None:
    machine = Machine(SiteContext(b"key", ("example.org",)))
    for line in data.split(b"\n"):
        try:
            events = read_event(line)
        except LineError:
            continue
        for event in events:
            assert read_event(write_event(event)) == (event,)
            machine.observe(event)
    for profile in machine.profiles.values():
        assert to_bytes(from_bytes(to_bytes(profile))) == to_bytes(profile)
