"""How the words of a command line are read: with argparse, in our own words where one is wrong."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from sendwarden.cli.exits import CANNOT
from sendwarden.cli.output import complain, write
from sendwarden.core.ascii import printable
from sendwarden.core.place import did_you_mean

# What argparse puts before a sentence of ours about a word that has no option before it.
_WORD_PREFIX = re.compile(r"\Aargument [^-:][^:]*: ")


class WordsParser(argparse.ArgumentParser):
    """A parser that guesses what was meant, and shows nothing raw that it was given."""

    def __init__(self, prog: str, description: str | None = None, epilog: str | None = None) -> None:
        super().__init__(prog, description=description, epilog=epilog, allow_abbrev=False)

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments. Raises `SystemExit`: 2 for wrong words, 0 where help was asked for."""
        arguments, unknown = self.parse_known_intermixed_args(words)
        if unknown and not unknown[0].startswith("-"):
            self.error(f'"{unknown[0]}" is one word too many')
        if unknown:
            self.error(not_known("option", unknown[0], self.options))
        return arguments

    @property
    def options(self) -> list[str]:
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        said = _WORD_PREFIX.sub("", message)
        complain(f"{self.format_usage()}{self.prog}: {printable(said)}\n")
        raise SystemExit(CANNOT)

    def _print_message(self, message: str, file: object = None) -> None:
        """What argparse prints by itself: it would not say that nobody can read it. Raises `OutputLost`."""
        if message:
            (write if file is sys.stdout else complain)(message)


def not_known(what: str, word: str, known: Iterable[str]) -> str:
    """One sentence about a word that is not known."""
    return f'there is no {what} "{word}"; {meant(word.partition("=")[0], known)}'


def meant(word: str, known: Iterable[str]) -> str:
    """``did you mean "x"?``, or what is known."""
    names = list(known)
    return did_you_mean(word, names) or f"known are {', '.join(names) or 'none'}"


def one_of(what: str, *known: str) -> Callable[[str], str]:
    """The type of an argument that is one of a few words."""

    def word(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(not_known(what, text, known))
        return text

    return word
