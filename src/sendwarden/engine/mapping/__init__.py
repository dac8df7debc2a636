"""Messaging Server mapping tables: a text goes in (the probe), a text and flags come out.

Stages, one file each: `lines` (physical lines to logical ones), `parse` (to tables of entries), `pattern` (an
entry's left side, parsed) and `match` (the same, ready to run), `template` (its right side), `run` (the
scan), `callouts` (the routines a template may call), `lint` (what is legal and yet surely a mistake).

Source: Messaging Server 6.3 Administration Guide, chapter "The Mapping File", and the PMDF System Manager's
Guide. docs/supported-mapping.md lists what is honoured and how it was found out.
"""
