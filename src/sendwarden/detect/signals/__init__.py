"""Signals, a file for each family, and the table of all of them. docs/signals.md describes every one."""
