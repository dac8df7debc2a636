"""Where an LDAP directory is and how it is asked, and what it gives: known without the library that asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sendwarden.core.ldap_filter import FilterTemplate

# Of one entry: values by the attribute's name, as the server writes it.
Found = Mapping[str, list[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapPlace:
    """``url`` is one or several, parted by blanks; ``ca_file`` is "" where ldap.conf(5) names one."""

    url: str
    bind_dn: str = ""
    password: str = field(default="", repr=False)
    base: str
    filter: FilterTemplate
    limits_attribute: str = ""
    senders_attributes: tuple[str, ...] = ()
    starttls: bool = False
    ca_file: str = ""
    timeout_s: float = 5.0
