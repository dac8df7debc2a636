"""All limits of the Sieve engine.

What a script exceeds when compiled is an error of the script; what it exceeds
while running ends the run, and the message is kept.
"""

SCRIPT_BYTES = 1024 * 1024
# Largest number in a script; the RFC asks for at least 2^31-1 (section 2.4.1), and mails are larger by now.
LARGEST_NUMBER = 2**64 - 1
# Blocks and test lists within each other.
NESTING = 32
# Actions of one run, whatever their kind.
ACTIONS = 32
REDIRECTS = 4
# A variable's value; what is longer is cut (RFC 5229 section 6 asks for at least 4000 letters).
VARIABLE_BYTES = 4096
VARIABLES = 256
# ${0} to ${31}; RFC 5229 section 6 asks for at least ${9}.
MATCH_VARIABLES = 32
# Commands and tests of one run: an instruction count, not a clock.
STEPS = 10_000
# Letters of one header value that a test looks at; a mail server limits headers before that.
HEADER_LETTERS = 256 * 1024
# Errors reported of one script: a file that is no Sieve at all need not fill the screen.
ERRORS = 50

# From so many headers on a test that comes out the same for each recipient is made once.
MANY_HEADERS = 100
