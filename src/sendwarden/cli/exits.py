"""Exit codes, the same for every command."""

GOOD = 0  # done; the answer is yes
NO = 1  # the answer is no; errors were found
CANNOT = 2  # it could not run: no such file, no right, nothing to ask
WARNINGS = 3  # only warnings, with --strict
