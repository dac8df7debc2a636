"""What systemd wants to hear: sd_notify(3) in a few lines. Without NOTIFY_SOCKET nothing happens."""

import os
import socket
import time


def notify(state: str) -> None:
    """Send e.g. ``READY=1``. Never fails and never waits: systemd's absence is no trouble of ours."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(0)
            sender.connect(address)
            sender.sendall(state.encode())
    except OSError:
        pass


def notify_reloading() -> None:
    """With the time, by which systemd tells one reload from the next (Type=notify-reload)."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_interval_s() -> float:
    """Half of what the unit allows between two signs of life; 0 where it asks us for none."""
    if os.environ.get("WATCHDOG_PID", "") not in ("", str(os.getpid())):
        return 0.0
    try:
        return int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
    except ValueError:
        return 0.0
