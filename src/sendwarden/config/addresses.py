"""Values of settings that say where others are to be found, and secrets for them."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from sendwarden.config.values import plain, shown, wrong

# sun_path of Linux holds 108 bytes with its final NUL (unix(7)).
UNIX_PATH_BYTES = 107
LAST_PORT = 65535
OPEN_REMEDY = 'set listen.allow = ["192.0.2.25/32"] to your mail servers, or listen on 127.0.0.1'

_IPV6 = 6


def socket_place(value: object, example: str) -> str:
    """``address:port``, ``[v6]:port`` or ``unix:/path``."""
    remedy = f'write "127.0.0.1:{example}", "[::1]:{example}" or "unix:/run/sendwarden/socket"'
    if not isinstance(value, str):
        raise wrong(f"{shown(value)} is no address with a port", remedy)
    if value.startswith("unix:/") and value != "unix:/" and plain(value):
        if len(value.encode("utf-8", "replace")) - len("unix:") > UNIX_PATH_BYTES:
            raise wrong("this path is too long for a socket", f"write one of at most {UNIX_PATH_BYTES} bytes")
        return value
    address, _, port = value.rpartition(":")
    if port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= LAST_PORT and _is_address(address):
        return value
    raise wrong(f"{shown(value)} is no address with a port", remedy)


def is_open(place: str) -> bool:
    """Could others than this machine connect there?"""
    if place.startswith("unix:"):
        return False
    return not ip_address(place.rpartition(":")[0].strip("[]")).is_loopback


def _is_address(text: str) -> bool:
    """An IPv4 address, or an IPv6 address in brackets."""
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return (ip_address(inside).version == _IPV6) is (inside != text)
    except ValueError:
        return False


def listen(value: object) -> str:
    return socket_place(value, "10031")


def listen_http(value: object) -> str:
    """Dovecot's HTTP client knows no unix sockets."""
    if isinstance(value, str) and value.startswith("unix:"):
        raise wrong(f"{shown(value)} is no place for HTTP", 'write "127.0.0.1:8601" or "[::1]:8601"')
    return socket_place(value, "8601")


def listen_ip(value: object) -> str:
    """What is asked by UDP as well."""
    if isinstance(value, str) and value.startswith("unix:"):
        raise wrong(f"{shown(value)} is no place for UDP", 'write "127.0.0.1:5525" or "[::1]:5525"')
    return socket_place(value, "5525")


def smtp_server(value: object) -> str:
    return socket_place(value, "25")


def scanner_place(value: object) -> str:
    return "" if value == "" else socket_place(value, "783")


def redis_url(value: object) -> object:
    """Where a Redis is. What might be a password is not shown again."""
    if not isinstance(value, str) or not value:
        return value
    remedy = (
        'write "redis://192.0.2.30:6379/0", "rediss://redis.example.org" or "unix:///run/redis/redis.sock"'
    )
    try:
        parts = urlsplit(value)
        named = parts.path if parts.scheme == "unix" else parts.hostname
        within = parts.port is None or parts.port > 0
    except ValueError:
        named, within = None, False
        parts = urlsplit("")
    if parts.password:
        raise wrong("a password stands in this URL", "write it as redis_secret")
    if parts.query or parts.fragment:
        raise wrong("options stand in this URL, and none is known here", "take out what stands behind the ?")
    if parts.scheme not in ("redis", "rediss", "unix") or not named or not within or not plain(value):
        raise wrong("this is no URL of a Redis", remedy)
    database = parts.path.strip("/") if parts.scheme != "unix" else ""
    if database and not (database.isascii() and database.isdigit()):
        raise wrong(f"{shown(database)} is no number of a database", remedy)
    return value


def directory_url(value: object) -> object:
    """Where a database or an LDAP server is, or several LDAP servers parted by blanks; or nothing."""
    if isinstance(value, str) and value.lower().startswith("ldap"):
        return " ".join(_ldap_url(one) for one in value.split())
    return database_url(value)


def _ldap_url(value: str) -> str:
    """RFC 4516 without what settings of their own say."""
    remedy = (
        'write "ldap://ldap.example.org", "ldaps://ldap.example.org:636" or "ldapi://%2Frun%2Fslapd%2Fldapi"'
    )
    try:
        parts = urlsplit(value)
        within = parts.port is None or parts.port > 0
        named = within and (parts.hostname or parts.scheme == "ldapi")
    except ValueError:
        raise wrong("this is no URL of an LDAP server", remedy) from None
    if parts.password is not None:
        raise wrong("a password stands in this URL", "take it out, and set bind_dn and password_secret")
    if parts.scheme not in ("ldap", "ldaps", "ldapi") or parts.username or not named or not plain(value):
        raise wrong("this is no URL of an LDAP server", remedy)
    if parts.path.strip("/") or parts.query or parts.fragment or value.endswith("?"):
        says = "more than a server stands in this URL"
        raise wrong(says, "write where to search as base, and for what as filter")
    return value


def database_url(value: object) -> object:
    """An address of a database as SQLAlchemy reads it, or nothing."""
    remedy = (
        'write "sqlite:////etc/mail/users.db", "postgresql+psycopg://user@host/database" or "ldap://host"'
    )
    if not isinstance(value, str) or not value:
        return value
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow, and only here
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError  # noqa: PLC0415

    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise wrong("this is no address of a database", remedy) from None
    if url.password is not None:
        raise wrong("a password stands in this address", "take it out, and set directory.password_secret")
    try:
        url.get_dialect()
    except (NoSuchModuleError, ImportError):
        raise wrong("this kind of database is not known here", remedy) from None
    return plain(value)


def secret(value: object) -> object:
    """A secret on one line. What is wrong is said without saying what stands there."""
    if not isinstance(value, str):
        raise wrong("a secret is text", 'write it in quotes: login_secret = "..."')
    if not value.isprintable():
        raise wrong("a control character stands in this secret", "take it out")
    return value
