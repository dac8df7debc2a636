"""CPU time of the document's two scripts on headers in hand, against Pigeonhole's script part.

Pigeonhole knows neither mapping tests nor functions, so that both sides run the scripts with these two places
written in plain Sieve: a test that is true exactly when the mapping test would be asked, and the probe itself
as the function's text. Everything else is the document's. The script part of Pigeonhole is what `sieve-test`
takes for a script given many times over (its -s option) minus what it takes for ``keep;`` given as often.
"""

import resource
import statistics
import time

from sendwarden.engine.sieve.compile import compile_script
from sendwarden.engine.sieve.ext import CAPABILITIES
from sendwarden.engine.sieve.mail import Mail
from sendwarden.engine.sieve.registry import Language
from tests.servers.sendwarden import example
from tests.servers.space import Space

ROUNDS = 7
TIMES = 1500  # evaluations in one run of sieve-test
OURS = 5000
SENDER, RECIPIENT = "eve@example.org", "v@victim.example"
MESSAGES = {
    "authspam, marked as spam": ("authspam", (("X-Spam-Score-Internal", "****"),)),
    "authspam, unmarked": ("authspam", (("X-Spam-Score-Internal", "**"),)),
    "greylist, from webmail": (
        "greylist",
        (
            (
                "Received",
                "from [192.0.2.7] (Forwarded-For: 203.0.113.9) by mail.example.org with HTTP",
            ),
        ),
    ),
    "greylist, not from webmail": ("greylist", ()),
}
COMMON = (
    ("Received", "from client.example.org ([203.0.113.9]) by mail.example.org with ESMTPSA"),
    ("From", "Eve Example <eve@example.org>"),
    ("To", "Somebody <v@victim.example>"),
    ("Subject", "Your invoice of November"),
    ("Date", "Tue, 24 Nov 2026 10:00:00 +0100"),
    ("Message-ID", "<20261124100000.12345@client.example.org>"),
)


def plain_sieve(name: str) -> str:
    """The document's script with its mapping test or function in plain Sieve, ending in the implicit keep."""
    files = example(name)
    if name == "authspam":
        text = files["authspam.filter"]
        text = text.replace(
            'if limitauthspam "${FROM_ADDR}|${TO_ADDR}" {',
            'if string :matches "${FROM_ADDR}|${TO_ADDR}" "*|*" {',
        )
        return text.replace('reject "', 'set "SAID" "').replace('"reject",', "")
    text = files["greylist.sieve"]
    text = text.replace('greylist("${IP_ADDR}|${FROM_ADDR}|uwc")', '"${IP_ADDR}|${FROM_ADDR}|uwc"')
    text = text.replace(
        'if (header :matches "Received" "*(Forwarded-For: *)*") {',
        'if header :matches "Received" "*(Forwarded-For: *)*" {',
    )
    text = text.replace('if (header :matches "From" "*<*>*") {', 'if header :matches "From" "*<*>*" {')
    text = text.replace('if (not string :is "${RESULT}" "")', 'if not string :is "${RESULT}" ""')
    return text.replace('erejec "', 'set "SAID" "').replace('"ereject",', "")


CONFIGURATION = """
ssl = no
mail_uid = dovecot
mail_gid = dovecot
mail_home = {folder}
mail_location = maildir:{folder}/mail
log_path = {folder}/log
"""


class Pigeonhole:
    """`sieve-test` from Debian's package."""

    def __init__(self) -> None:
        self.space = Space("pigeonhole", {"dovecot": 61111, "dovenull": 61112})
        self.folder = self.space.folder
        (self.folder / "dovecot.conf").write_text(CONFIGURATION.format(folder=self.folder))
        self.folder.chmod(0o777)
        (self.folder / "keep.sieve").write_text("keep;\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def cpu_s(self, script: str, message: str) -> float:
        many = " ".join([f"-s {self.folder}/{script}"] * TIMES)
        command = (
            f"sieve-test -c {self.folder}/dovecot.conf -f {SENDER} -a {RECIPIENT} {many} "
            f"{self.folder}/keep.sieve {self.folder}/{message} >/dev/null"
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.space.run("sh", "-c", command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours_us(text: str, headers: tuple[tuple[str, str], ...]) -> float:
    script, problems = compile_script("bench", text, Language(CAPABILITIES))
    assert script, problems
    mail = Mail(headers, SENDER, (RECIPIENT,), size_bytes=3000)
    script.run(mail, (RECIPIENT,))  # decodes the headers: they are in hand
    start = time.process_time()
    for _ in range(OURS):
        script.run(mail, (RECIPIENT,))
    return (time.process_time() - start) / OURS * 1e6


def main() -> None:
    peer = Pigeonhole()
    print(f"Sieve, CPU us an evaluation, {ROUNDS} rounds (median), headers in hand:")
    for title, (name, special) in MESSAGES.items():
        headers = (*special, *COMMON)
        text = plain_sieve(name)
        peer.write("script.sieve", text)
        peer.write("message", "".join(f"{n}: {v}\n" for n, v in headers) + "\nText.\n")
        theirs, own = [], []
        peer.cpu_s("script.sieve", "message")  # leaves the compiled script behind
        peer.cpu_s("keep.sieve", "message")
        for _ in range(ROUNDS):
            with_script, with_keep = (peer.cpu_s(s, "message") for s in ("script.sieve", "keep.sieve"))
            theirs.append((with_script - with_keep) / TIMES * 1e6)
            own.append(ours_us(text, headers))
        ours, pigeonhole = statistics.median(own), statistics.median(theirs)
        figures = f"Pigeonhole {pigeonhole:6.1f}   Sendwarden {ours:6.1f}"
        print(f"  {title:<28} {figures}   ours/theirs {ours / pigeonhole:.2f} (at most 1)")
    peer.space.remove()


if __name__ == "__main__":
    main()
