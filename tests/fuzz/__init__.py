"""Coverage-guided fuzzing with atheris: one target a file, a kept corpus each, run by scripts/fuzz."""
