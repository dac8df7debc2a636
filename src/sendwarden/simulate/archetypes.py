"""Kinds of honest senders, each a row of figures. docs/simulate.md says what each is there for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bulk:
    """Mail to many at once, from time to time."""

    per_week: float
    recipients: tuple[int, int]  # of one job, from the list
    at_once: int  # recipients of one message; 1: a message each
    gap_s: float = 2.0  # between messages of one job
    internal: bool = False
    invalid: float = 0.0  # share of the list that does not exist (any more)
    list_size: int = 0  # 0: a new list for each job
    score: float = 1.0  # typical spam score
    by_webmail: float = 0.0  # share of jobs sent through the webmail
    complaints: float = 0.0  # a recipient


@dataclass(frozen=True, slots=True)
class Archetype:
    """One kind of account. Shares are of 1."""

    name: str
    share: float  # of all accounts
    per_day: float  # messages on a working day
    contacts: int = 60
    internal: float = 0.5  # share of recipients within the site
    novelty: float = 0.06  # share of recipients never written to before
    invalid: float = 0.006  # typing errors, among the new
    flagged: float = 0.008  # messages that a scanner gives 5 or more
    score: float = 0.6  # typical spam score
    office: float = 0.6  # where sessions take place; the rest is mobile
    home: float = 0.2
    webmail: float = 0.15
    vpn: float = 0.02  # share of sessions through a VPN
    vpn_countries: int = 2
    travels: float = 0.02  # journeys a day
    weekend: float = 0.2  # of a working day
    aliases: float = 0.02  # messages with another From of the same site
    bulk: Bulk | None = None
    srs: bool = False  # everything is forwarded mail of others
    people: int = 1  # who share the mailbox
    begins_late: bool = False  # has no past when it begins to send
    failing_device: bool = False  # somebody's phone keeps an old password
    farewell: bool = False  # one message to 200 old contacts


ARCHETYPES: tuple[Archetype, ...] = (
    Archetype("staff", 0.34, 11),
    Archetype("student", 0.22, 3, contacts=25, office=0.25, home=0.3, webmail=0.3, weekend=0.7),
    Archetype("recruiter", 0.03, 18, contacts=40, internal=0.15, novelty=0.55, invalid=0.015),
    Archetype(
        "professor",
        0.05,
        12,
        bulk=Bulk(2.5, (60, 320), 320, internal=True, list_size=400, invalid=0.004, by_webmail=0.2),
    ),
    Archetype(
        "newsletter",
        0.01,
        2,
        office=1.0,
        home=0.0,
        webmail=0.0,
        vpn=0.0,
        travels=0.0,
        bulk=Bulk(2, (600, 2500), 1, 0.4, list_size=2500, invalid=0.03, score=2.4, complaints=0.0006),
    ),
    Archetype(
        "mail-merge",
        0.015,
        8,
        bulk=Bulk(1.5, (60, 280), 1, 1.5, invalid=0.03, score=2.0, complaints=0.0004),
    ),
    Archetype(
        "helpdesk",
        0.01,
        60,
        internal=0.85,
        novelty=0.3,
        office=1.0,
        home=0.0,
        webmail=0.0,
        vpn=0.0,
        travels=0.0,
        weekend=0.5,
    ),
    Archetype("forwarder", 0.02, 30, srs=True, flagged=0.2, invalid=0.02, score=2.0, weekend=1.0),
    Archetype("vpn-user", 0.05, 10, vpn=0.4, vpn_countries=4, office=0.3, home=0.4),
    Archetype("mobile-user", 0.06, 9, office=0.1, home=0.2, webmail=0.1),
    Archetype("traveller", 0.04, 9, travels=0.14),
    Archetype("role-mailbox", 0.03, 20, people=5, novelty=0.25, internal=0.3),
    Archetype("newcomer", 0.03, 8, contacts=30, novelty=0.25, begins_late=True),
    Archetype("dormant", 0.04, 0.06, contacts=15),
    Archetype("failing-device", 0.02, 9, failing_device=True),
    Archetype("leaver", 0.015, 9, farewell=True),
)
