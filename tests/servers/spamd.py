"""A private spamd: SpamAssassin's own rules and nothing from the network."""

from tests.servers.space import Space, free_port, listens, stop, wait_for

# An address in a list, as if a zone had it: with -L spamd asks none. One rule looks at relays, as lists do,
# and one at all fields.
RULES = """
required_score 5.0
use_bayes 0
header LISTED_RELAY X-Spam-Relays-Untrusted =~ /ip=198\\.51\\.100\\./
score LISTED_RELAY 7.0
header LISTED_FIELD ALL =~ /198\\.51\\.100\\./
score LISTED_FIELD 7.0
body LOCAL_PHISH /verify your account at phish\\.example/
score LOCAL_PHISH 6.0
"""


class Spamd:
    """Started when made; `stop` it."""

    def __init__(self) -> None:
        self.space = Space("spamd", {"spam": 61121})
        self.port = free_port()
        rules = self.space.folder / "rules"
        rules.mkdir()
        (rules / "local.cf").write_text(RULES)
        for plugins in (self.space.root / "etc" / "spamassassin").glob("*.pre"):
            (rules / plugins.name).write_bytes(plugins.read_bytes())
        self.process = self.space.start(
            "spamd", "-L", "-x", "-s", "stderr", "-m", "2", "--min-children=1", "--max-spare=1",
            f"--siteconfigpath={rules}", "--listen", f"127.0.0.1:{self.port}", "-u", "spam",
        )  # fmt: skip
        wait_for("spamd listens", lambda: listens(self.port) or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()

    def output(self) -> str:
        return (self.space.folder / "output").read_text(errors="replace")

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()
