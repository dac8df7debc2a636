"""Records of logs to events: one module for each mail server's log."""
