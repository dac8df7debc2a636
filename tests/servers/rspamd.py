"""A private rspamd: its normal worker, its module for lists of addresses, and one zone to ask."""

from tests.servers.space import Space, free_port, listens, stop, wait_for

ZONE = "homes.example"

CONFIGURATION = """
options {{ filters = ["chartable"]; tempdir = "{folder}"; pidfile = "{folder}/pid";
    control_socket = "{folder}/control"; cache_file = "{folder}/cache"; hs_cache_dir = "{folder}";
    url_tld = "{folder}/domains"; disable_hyperscan = true; local_addrs = [];
    dns {{ nameserver = ["127.0.0.1:{zone}"]; timeout = 2s; }} }}
logging {{ type = "file"; filename = "{folder}/log"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
rbl {{ rbls {{ homes {{ rbl = "{zone_name}"; symbol = "LISTED_HOME"; ipv4 = true; ipv6 = false;
    checks = ["from", "received"]; exclude_users = false; exclude_local = false; }} }} }}
group "lists" {{ symbols {{ "LISTED_HOME" {{ weight = 7.0; }} }} }}
modules {{ path = "/usr/share/rspamd/plugins/rbl.lua"; }}
lua = "{folder}/rules.lua";
"""
RULES = """
rspamd_config:register_symbol({
  name = 'LOCAL_PHISHING', score = 6.5,
  callback = function(task)
    for _, part in ipairs(task:get_text_parts() or {}) do
      if tostring(part:get_content()):find('phish.example', 1, true) then return true end
    end
    return false
  end
})
"""


class Rspamd:
    """Started when made; `stop` it. ``zone``: the port of a DNS server."""

    def __init__(self, zone: int) -> None:
        self.space = Space("rspamd", {"_rspamd": 61123})
        self.port = free_port()
        folder = self.space.folder
        text = CONFIGURATION.format(folder=folder, port=self.port, zone=zone, zone_name=ZONE)
        (folder / "rspamd.conf").write_text(text)
        (folder / "rules.lua").write_text(RULES)
        (folder / "domains").write_text(
            "example\norg\n"
        )  # of its own list it makes a machine, for half a minute
        folder.chmod(0o777)
        self.process = self.space.start(
            "rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", str(folder / "rspamd.conf")
        )
        wait_for("rspamd listens", lambda: listens(self.port) or self.process.poll() is not None)
        assert self.process.poll() is None, self.output()

    def output(self) -> str:
        files = [self.space.folder / name for name in ("output", "log")]
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()
