"""A connection to an LDAP server that is kept, by python-ldap, for one thread.

It is made anew once where it was closed since it was last used. Referrals are not followed: what they name is
not what the settings name, and would get the password. Known limit: libldap waits without end for a server
that hangs in the middle of TLS's handshake; whoever calls must be able to leave the thread.
"""

import ldap

from sendwarden.lookups.ldap_place import Found, LdapPlace
from sendwarden.service.ports import DirectoryDown

# Entries that are asked for: two are as good as many, since none of them is the account's for sure.
MOST_ENTRIES = 2
# A connection without a word for so long is asked whether it still is one, and given up after some tries.
IDLE_S, PROBES, PROBE_S = 60, 3, 10
_MS = 1000
# What libldap says of a certificate it does not take.
_NO_REASON = "(unknown error code)"


class Session:
    """Opens nothing before it is asked."""

    def __init__(self, place: LdapPlace) -> None:
        self._place = place
        self._connection: ldap.ldapobject.LDAPObject | None = None

    def search(self, wanted: str) -> list[Found]:
        """The entries that fit, `MOST_ENTRIES` at the most. Raises `DirectoryDown`."""
        try:
            if self._connection is not None:
                try:
                    return self._found(self._connection, wanted)
                except (ldap.SERVER_DOWN, ldap.UNAVAILABLE):
                    pass  # it was closed meanwhile
            self._connection = _connected(self._place)
            return self._found(self._connection, wanted)
        except ldap.LDAPError as error:
            self._connection = None
            raise DirectoryDown(_said(error)) from error

    def _found(self, connection: ldap.ldapobject.LDAPObject, wanted: str) -> list[Found]:
        place = self._place
        asked = [name for name in (place.limits_attribute, *place.senders_attributes) if name]
        try:
            answered = connection.search_ext_s(
                place.base, ldap.SCOPE_SUBTREE, wanted, asked, timeout=place.timeout_s, sizelimit=MOST_ENTRIES
            )
        except ldap.SIZELIMIT_EXCEEDED:
            return [{}] * MOST_ENTRIES
        return [attributes for name, attributes in answered if name is not None]  # None: a referral


def _connected(place: LdapPlace) -> ldap.ldapobject.LDAPObject:
    connection = ldap.initialize(place.url)
    for name, value in (
        ("OPT_REFERRALS", 0),
        ("OPT_NETWORK_TIMEOUT", place.timeout_s),
        ("OPT_TIMEOUT", place.timeout_s),
        ("OPT_TCP_USER_TIMEOUT", int(place.timeout_s * _MS)),
        ("OPT_X_KEEPALIVE_IDLE", IDLE_S),
        ("OPT_X_KEEPALIVE_PROBES", PROBES),
        ("OPT_X_KEEPALIVE_INTERVAL", PROBE_S),
    ):
        if hasattr(ldap, name):  # libldap before 2.5 lacks some
            connection.set_option(getattr(ldap, name), value)
    if place.starttls or "ldaps:" in place.url:
        _use_tls(connection, place.ca_file)
    if place.starttls:
        connection.start_tls_s()
    if place.bind_dn:
        connection.simple_bind_s(place.bind_dn, place.password)
    elif place.url.startswith("ldapi:"):
        connection.sasl_external_bind_s()  # who we are the socket says
    else:
        connection.simple_bind_s()
    return connection


def _use_tls(connection: ldap.ldapobject.LDAPObject, ca_file: str) -> None:
    """No server without a certificate that is good for its name."""
    if ca_file:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, ca_file)
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)


def _said(error: ldap.LDAPError) -> str:
    """What a server or libldap says, on one line, and never the filter."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    parts = [str(told.get(part, "")).strip() for part in ("desc", "info")]
    if parts[1] == _NO_REASON:
        parts[1] = (
            "no TLS with it, or its certificate is not good for its name, or not signed as ca_file says"
        )
    if isinstance(error, ldap.REFERRAL):  # its info is a list of URLs
        return f"directory.base is elsewhere: the server refers to {' '.join(parts[1].split()[1:2])}"
    if isinstance(error, ldap.NO_SUCH_OBJECT):
        parts.append("there is no directory.base, or it may not be read")
    return " ".join(": ".join(filter(None, parts)).split()) or type(error).__name__
