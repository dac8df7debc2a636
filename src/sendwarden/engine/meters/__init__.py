"""MeterMaid's tables: throttle, simple and greylisting, as `check_metermaid.so` and its options know them.

`algorithms` holds the arithmetic of one key, `tables` a table of keys with its eviction, `options` reads
``metermaid.table.*`` lines. The calls that reach them stand in `engine.mapping.check_metermaid`.

Source: Messaging Server 6.3 Administration Guide, "To Throttle Incoming Connections Using MeterMaid"; 8.1
System Administrator's Guide; the reference wiki's page on check_metermaid. docs/supported-metermaid.md says
what is ours.
"""
