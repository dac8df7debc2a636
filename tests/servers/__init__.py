"""Real servers for tests: unpacked Debian packages, each in a mount namespace of its own, stopped by pid."""
