"""The table [directory] of the settings: where it stands what a site knows of its accounts."""

from pydantic import Field, SecretStr

from sendwarden.config.kinds import AttributeName, DirectoryUrl, DurationS, Plain, Secret, SettingsTable


class DirectorySettings(SettingsTable):
    """Where it stands which row of limits an account has, and what it may send as."""

    url: DirectoryUrl = Field(
        default="",
        description="A database, as SQLAlchemy writes it, or LDAP servers (ldap, ldaps, ldapi), without a "
        "password; empty: none.",
        examples=['"sqlite:////etc/mail/users.db"'],
    )
    password_secret: Secret = Field(
        default=SecretStr(""),
        description="The password of the database's user, or of bind_dn; empty: none.",
        examples=['"correct horse battery staple"'],
    )
    query: Plain = Field(
        default="",
        description="SQL: what gives the name of a row of limits; :account, :local and :domain stand for the "
        "account and its parts.",
        examples=['"SELECT limits FROM users WHERE login = :account"'],
    )
    senders_query: Plain = Field(
        default="",
        description="SQL: what gives the addresses that an account may send as besides its own.",
        examples=['"SELECT alias FROM aliases WHERE login = :account"'],
    )
    bind_dn: Plain = Field(
        default="",
        description="LDAP: who asks; empty: nobody (by ldapi, the user that Sendwarden runs as).",
        examples=['"cn=sendwarden,ou=services,dc=example,dc=org"'],
    )
    base: Plain = Field(
        default="",
        description="LDAP: the entry below which accounts are.",
        examples=['"ou=people,dc=example,dc=org"'],
    )
    filter: Plain = Field(
        default="",
        description="LDAP: which entry is the account's; names stand for the account as in query.",
        examples=['"(&(objectClass=inetOrgPerson)(uid=:account))"'],
    )
    limits_attribute: AttributeName = Field(
        default="",
        description="LDAP: the attribute that names a row of limits.",
        examples=['"employeeType"'],
    )
    senders_attributes: list[AttributeName] = Field(
        default=[],
        description="LDAP: attributes with the addresses that an account may send as besides its own.",
        examples=['["mail", "mailAlternateAddress"]'],
    )
    starttls: bool = Field(
        default=False, description="LDAP: go over to TLS before anything is said.", examples=["true"]
    )
    ca_file: Plain = Field(
        default="",
        description="LDAP: the certificates of whoever may sign the server's; empty: as ldap.conf says.",
        examples=['"/etc/ssl/certs/site-ca.pem"'],
    )
    timeout: DurationS = Field(
        default="5s",
        validate_default=True,
        description="How long one answer may take.",
        examples=['"10s"'],
    )
    keep: DurationS = Field(
        default="10m",
        validate_default=True,
        description="How long an answer counts before the directory is asked again.",
        examples=['"1h"'],
    )

    @property
    def speaks_ldap(self) -> bool:
        return self.url.startswith("ldap")

    @property
    def lends(self) -> bool:
        """Does it say what accounts may send as?"""
        return bool(self.url and (self.senders_attributes if self.speaks_ldap else self.senders_query))
