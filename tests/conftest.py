"""How Hypothesis runs here: without a deadline, since the machine has other work and no test is timed."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
