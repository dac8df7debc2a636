"""Addresses at which phishers collect answers, in the form of the anti-phishing-email-reply project.

A line is ``address,types,date``, where only the address is read; what follows ``#`` at the beginning of
a line, and empty lines, mean nothing.
"""

LINE_LETTERS = 1000


def read_reply_list(text: str) -> tuple[frozenset[str], list[int]]:
    """Addresses in lower case, and the numbers of lines that have none."""
    found, wrong = set(), []
    for number, line in enumerate(text.splitlines(), 1):
        address = line.partition(",")[0].strip().lower()
        if not address or address.startswith("#"):
            continue
        local, _at, domain = address.rpartition("@")
        if local and domain and len(address) <= LINE_LETTERS and not any(map(str.isspace, address)):
            found.add(address)
        else:
            wrong.append(number)
    return frozenset(found), wrong
