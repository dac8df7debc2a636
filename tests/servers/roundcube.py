"""A private Roundcube, as Debian packs it, on PHP's own web server; and a browser that uses its forms.

It sends from `ADDRESS`, so that a mail server can tell it from everything else on this machine.
"""

import http.client
import re
import shutil
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.servers.dovecot import password
from tests.servers.space import Space, free_port, listens, stop, wait_for

ADDRESS = "127.0.0.2"
# Debian names them in files that installing makes. Each stands behind what it needs.
MODULES = (
    "ctype dom fileinfo iconv intl mbstring pdo pdo_sqlite posix simplexml sockets xml xmlwriter tokenizer"
)
PHP_INI = """
extension_dir = {modules_folder}
{modules}
error_log = {folder}/php.log
log_errors = On
display_errors = Off
session.save_path = {folder}/temp
date.timezone = UTC
"""
CONFIGURATION = """<?php
$config['db_dsnw'] = 'sqlite:///{folder}/roundcube.db?mode=0600';
$config['imap_host'] = '127.0.0.1:{imap}';
$config['smtp_host'] = '127.0.0.1:{smtp}';
$config['smtp_conn_options'] = ['socket' => ['bindto' => '{address}:0']];
$config['des_key'] = 'abcdefghijklmnopqrstuvwx';
$config['log_dir'] = '{folder}/logs/';
$config['temp_dir'] = '{folder}/temp/';
$config['mail_domain'] = 'example.org';
$config['sent_mbox'] = '';
$config['plugins'] = [];
{more}
"""


class Roundcube:
    """Users are those of the IMAP server; `configure` it before it sends. `stop` it."""

    def __init__(self, imap: int) -> None:
        self.space = Space("roundcube", {})
        self.folder = self.space.folder
        self.port = free_port()
        self._imap = imap
        for name in ("config", "logs", "temp"):
            (self.folder / name).mkdir()
        shutil.copytree(self.space.root / "var/lib/roundcube", self.folder / "site", symlinks=True)
        etc, share = self.space.root / "etc/roundcube", self.space.root / "usr/share/roundcube"
        for name in ("defaults.inc.php", "mimetypes.php"):
            shutil.copy(etc / name, self.folder / "config")
        (self.folder / "config" / "config.inc.php").write_text(self._configuration(0, ""))
        (self.folder / "php.ini").write_text(self._php_ini())
        schema = (share / "SQL/sqlite.initial.sql").read_text()
        (program,) = (path.name for path in (self.space.root / "usr/bin").glob("php[0-9]*"))
        php = (program, "-c", f"{self.folder}/php.ini")
        self.space.run(*php, "-r", self._made_from(), stdin=schema.encode())
        self.process = self.space.start(
            "env", f"ROUNDCUBE_CONFIG_DIR={self.folder}/config", *php, "-S",
            f"127.0.0.1:{self.port}", "-t", f"{self.folder}/site/public_html",
        )  # fmt: skip
        wait_for("Roundcube listens", lambda: listens(self.port) or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()

    def _php_ini(self) -> str:
        (folder,) = (self.space.root / "usr/lib/php").glob("[0-9]" * 8)
        modules = "\n".join(f"extension = {name}" for name in MODULES.split())
        return PHP_INI.format(
            folder=self.folder, modules=modules, modules_folder=f"/usr/lib/php/{folder.name}"
        )

    def _made_from(self) -> str:
        """A line of PHP that makes the database of a schema."""
        return f"(new PDO('sqlite:{self.folder}/roundcube.db'))->exec(stream_get_contents(STDIN));"

    def _configuration(self, smtp: int, more: str) -> str:
        return CONFIGURATION.format(
            folder=self.folder, imap=self._imap, smtp=smtp, address=ADDRESS, more=more
        )

    def configure(self, smtp: int, more: str = "", header: str = "") -> None:
        """Send by this port; with ``more`` lines of PHP. ``header``: a field to write the login into."""
        if header:
            plugin = self.folder / "site/plugins/additional_message_headers"
            if plugin.is_symlink():
                plugin.unlink()
                packed = self.space.root / "usr/share/roundcube/plugins/additional_message_headers"
                shutil.copytree(packed, plugin, ignore=shutil.ignore_patterns("config*"))
            line = f"$config['additional_message_headers']['{header}'] = $_SESSION['username'];"
            (plugin / "config.inc.php").write_text(f"<?php\n{line}\n")
            more += "$config['plugins'][] = 'additional_message_headers';"
        (self.folder / "config" / "config.inc.php").write_text(self._configuration(smtp, more))

    def browser(self, login: str, source: str = "127.0.0.1") -> "Browser":
        """Somebody who has logged in, at this address."""
        return Browser(self.port, login, source)

    def log(self) -> str:
        files = [self.folder / "output", self.folder / "php.log", *(self.folder / "logs").glob("*")]
        return "\n".join(path.read_text(errors="replace") for path in files if path.exists())

    def stop(self) -> None:
        stop(self.process)
        self.space.remove()


class _Form(HTMLParser):
    """The fields of a page's forms, with what stands in them; of a list its chosen or first entry."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._list = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "select":
            self._list = name
        elif tag == "option" and self._list and (self._list not in self.fields or "selected" in given):
            self.fields[self._list] = given.get("value", "")
        elif tag == "textarea" and name:
            self.fields[name] = ""
        elif tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            self.fields[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._list = "" if tag == "select" else self._list


class Browser:
    """One session. Raises `AssertionError` with the page where it does not get on."""

    def __init__(self, port: int, login: str, source: str) -> None:
        self._port, self._source = port, source
        self._cookies: dict[str, str] = {}
        fields = _Form(self._page("/?_task=login")).fields
        page = self._page("/?_task=login", {**fields, "_user": login, "_pass": password(login)})
        assert "_task=logout" in page, page

    def send(self, *recipients: str, subject: str = "from the webmail", **headers: str) -> str:
        """Fill in the compose form and send it. "" for sent; else what the page says went wrong."""
        compose = self._page("/?_task=mail&_action=compose")
        fields = _Form(compose).fields
        filled = {"_to": ", ".join(recipients), "_subject": subject, "_message": "Text.", "_is_html": "0"}
        page = self._page("/?_task=mail&_framed=1", {**fields, **filled, "_framed": "1"}, headers)
        if "sent_successfully" in page:
            return ""
        said = re.search(r'display_message\("(.*?)","error"', page)
        assert said, page
        return said[1]

    def _page(
        self, path: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> str:
        """What a request gives, redirections followed."""
        for _ in range(5):
            link = http.client.HTTPConnection("127.0.0.1", self._port, 30, source_address=(self._source, 0))
            sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
            if form is not None:
                sent["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form) if form is not None else None
            link.request("POST" if body is not None else "GET", path, body, {**sent, **(headers or {})})
            answer = link.getresponse()
            page = answer.read().decode(errors="replace")
            for line in answer.headers.get_all("Set-Cookie") or ():
                self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
            link.close()
            if answer.status not in (301, 302, 303):
                assert answer.status == 200, f"{path}: {answer.status}\n{page}"
                return page
            path, form = "/" + answer.headers["Location"].removeprefix(".").lstrip("/"), None
        raise AssertionError(f"too many redirections: {path}")
