"""All limits of the mapping engine.

What a configuration exceeds is a problem at load time; what a probe exceeds means "no match" or "failure",
never an exception.
"""

# A probe longer than this matches nothing. The longest legal one (two addresses of 254 and a few fields) is a
# quarter.
PROBE_LETTERS = 4096
# Steps of the backtracking matcher for one pattern and probe; patterns of literals, % and * need none.
MATCH_STEPS = 10_000
# Parts of one pattern. The longest that Messaging Server takes has 256 letters.
PATTERN_PARTS = 200
# $R and $L: passes in a row that did not make the text shorter (AG63-bgajb).
PASSES_WITHOUT_PROGRESS = 10
# Passes of one scan at all: entries that make the text longer and shorter by turns would never be stopped by
# the rule above.
PASSES = 1000
# Depth of $|table;argument|.
TABLE_DEPTH = 10
# Include files within include files (AG63-bgaiw).
INCLUDE_DEPTH = 3
# What the original accepts; more is accepted here, with a warning, since the table would not load there.
ORIGINAL_PATTERN_LETTERS = 256
ORIGINAL_TEMPLATE_LETTERS = 1024
# $0 to $9: one digit addresses a capture.
CAPTURES = 10
