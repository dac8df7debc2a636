"""The running daemon: the only place with a clock, with randomness, and where everything is put together."""
