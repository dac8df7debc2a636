"""The directory that the settings name, while the daemon runs."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sendwarden.config.directory import DirectorySettings
from sendwarden.core.ldap_filter import read_filter
from sendwarden.lookups.ldap import LdapDirectory
from sendwarden.lookups.ldap_place import LdapPlace
from sendwarden.lookups.sql import SqlDirectory
from sendwarden.service.attributes import NAMES, Attributes
from sendwarden.service.limiter import Limiter
from sendwarden.service.ports import Clock, Directory, EventLog

Start = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class AskedDirectory:
    """Lets a limiter have what the directory says, and a task ask it."""

    def __init__(self, limiter: Limiter, clock: Clock, log: EventLog, start: Start) -> None:
        """``start`` begins a task of the daemon."""
        self._limiter = limiter
        self._clock = clock
        self._log = log
        self._start = start
        self._settings = DirectorySettings()
        self._directory: Directory | None = None
        self._asking: asyncio.Task[None] | None = None

    def use(self, settings: DirectorySettings) -> None:
        """Another directory begins with nothing known; the same one goes on."""
        attributes = self._limiter.attributes
        if settings != self._settings:
            self.close()
            attributes = None
            self._settings = settings
        if settings.url and attributes is None:
            self._directory = opened(settings)
            attributes = Attributes(self._directory, self._clock, self._log, settings.keep)
            self._asking = self._start(attributes.run())
        self._limiter.use_attributes(attributes)

    def close(self) -> None:
        """Ask no more; what is asked just now may still be answered."""
        if self._asking is not None:
            self._asking.cancel()
        if self._directory is not None:
            self._directory.close()
        self._asking = self._directory = None


def opened(settings: DirectorySettings) -> Directory:
    """Nothing is asked yet."""
    password = settings.password_secret.get_secret_value()
    if not settings.speaks_ldap:
        return SqlDirectory(
            settings.url, password, settings.query, settings.senders_query, timeout_s=settings.timeout
        )
    return LdapDirectory(
        LdapPlace(
            url=settings.url,
            bind_dn=settings.bind_dn,
            password=password,
            base=settings.base,
            filter=read_filter(settings.filter, NAMES),
            limits_attribute=settings.limits_attribute,
            senders_attributes=tuple(settings.senders_attributes),
            starttls=settings.starttls,
            ca_file=settings.ca_file,
            timeout_s=settings.timeout,
        )
    )
