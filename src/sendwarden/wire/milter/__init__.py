"""The milter protocol, version 6, as bytes.

Source: libmilter's mfdef.h (Sendmail 8.14 to 8.18) and Postfix's MILTER_README. One file a concern: `flags`
(numbers on the wire), `packets` (framing and field shapes), `commands` (mail server to filter), `replies`
(filter to mail server), `negotiation`, `session` (which command may come when, and which macros are in
force).
"""
