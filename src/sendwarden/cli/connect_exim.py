"""``sendwarden connect exim``: ACL statements by which Exim asks us about messages. They are only shown.

``${readsocket}`` sends a question, shuts its side and reads to the end; its fail string is what holds while
we are down. There are two blocks. The first is for the ACL that ``acl_smtp_data`` names, which Exim runs when
a message is in and not yet acknowledged: our end of the message. The second, for ``acl_smtp_rcpt``, asks
about each recipient before that, and is needed only for what no end of a message tells.

A message has no id at RCPT, so that one is made up and kept in ``acl_m_sendwarden_id``: Exim forgets such a
variable with the message, and the questions about one message are met by it. Whatever a client may choose
goes through ``${sg}``: a line end in it would be an attribute more.

Source: Exim's specification, chapters 11 (readsocket) and 44 (access control lists), and
tests/e2e/test_exim*.py with 4.96. Limits: FILTER and PREPEND have no counterpart there and let the message
pass, as does an answer that is none of ours. HOLD and DISCARD for one recipient are done to the whole message
at its end, as Postfix does.
"""

from sendwarden.cli.exits import CANNOT, GOOD
from sendwarden.cli.output import Output
from sendwarden.cli.surroundings import exim
from sendwarden.config.load import Loaded
from sendwarden.engine.limits.rules import COUNTERS, Limits
from sendwarden.service.site import Site

BEGIN, END = "# sendwarden: begin", "# sendwarden: end"
# Above our own deadline of 1 s, and what a client waits for more while we hang.
TIMEOUT = "3s"
# The answer where there is none.
FAILS = "action=DUNNO down"
# A socket that is open to everybody is reached on this machine by its own address.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read here, never bound
_BY_CLASS = {COUNTERS.index("internal"), COUNTERS.index("external")}


def _one_line(value: str) -> str:
    """A value without what would end its line."""
    return f"${{sg{{{value}}}{{\\N[[:cntrl:]]\\N}}{{?}}}}"


# Attribute of the policy protocol, and what Exim says of it.
_CLIENT = (
    ("client_address", "$sender_host_address"),
    ("client_port", "$sender_host_port"),
    ("helo_name", _one_line("$sender_helo_name")),
    ("sasl_username", _one_line("$authenticated_id")),
    ("sender", _one_line("$sender_address")),
)
# Exim takes the quotes off a local part.
RECIPIENT = (
    *_CLIENT,
    ("recipient", _one_line("${quote_local_part:$local_part}@$domain")),
    ("instance", "$acl_m_sendwarden_id"),
)
WHOLE = (
    *_CLIENT,
    ("recipient_count", "$recipients_count"),
    ("size", "$message_size"),
    ("queue_id", "$message_exim_id"),
    ("instance", "$acl_m_sendwarden_id"),
)
# What becomes of the answer, whose line ends are taken off: in a message they would be a line more. A code at
# the beginning of a message is the code of Exim's reply.
_REFUSED = r"""
defer
  condition = ${if match{$acl_m_sendwarden}{\N^action=4\d\d \N}}
  message = ${sg{$acl_m_sendwarden}{\N^action=|\s+$\N}{}}
deny
  condition = ${if match{$acl_m_sendwarden}{\N^action=5\d\d \N}}
  message = ${sg{$acl_m_sendwarden}{\N^action=|\s+$\N}{}}
"""
_OF_WHOLE = rf"""
warn
  condition = ${{if def:acl_m_sendwarden_kept}}
  condition = ${{if match{{$acl_m_sendwarden}}{{\N^action=DUNNO\b\N}}}}
  set acl_m_sendwarden = $acl_m_sendwarden_kept
{_REFUSED.strip()}
discard
  condition = ${{if match{{$acl_m_sendwarden}}{{\N^action=DISCARD\b\N}}}}
  log_message = discarded by Sendwarden: ${{sg{{$acl_m_sendwarden}}{{\N^action=DISCARD ?|\s+$\N}}{{}}}}
warn
  condition = ${{if match{{$acl_m_sendwarden}}{{\N^action=HOLD\b\N}}}}
  control = freeze
  log_message = held by Sendwarden: ${{sg{{$acl_m_sendwarden}}{{\N^action=HOLD ?|\s+$\N}}{{}}}}
"""
_OF_RECIPIENT = rf"""
{_REFUSED.strip()}
warn
  condition = ${{if match{{$acl_m_sendwarden}}{{\N^action=(HOLD|DISCARD)\b\N}}}}
  set acl_m_sendwarden_kept = $acl_m_sendwarden
"""
# With strict_acl_vars Exim refuses even to ask if a variable is there; docs/exim.md has what that needs.
_BEFORE_WHOLE = """
warn
  condition = ${if !def:acl_m_sendwarden_id}
  set acl_m_sendwarden_id = $message_exim_id
warn
"""
# A message that had no answer for one recipient is not made to wait for the next.
_BEFORE_RECIPIENT = rf"""
warn
  condition = ${{if !def:acl_m_sendwarden_id}}
  set acl_m_sendwarden_id = $primary_hostname.$pid.$tod_epoch_l
  set acl_m_sendwarden = action=DUNNO
warn
  condition = ${{if !eq{{$acl_m_sendwarden}}{{{FAILS}}}}}
"""
_WHERE_WHOLE = (
    "Put these lines into the ACL that acl_smtp_data names, before its first accept that mail of your users",
    "can meet, and behind all that may still refuse a message (Debian: into a file of their own that",
    "CHECK_DATA_LOCAL_ACL_FILE names, docs/exim.md):",
)
_WHERE_RECIPIENT = (
    "into the ACL that acl_smtp_rcpt names, before its first accept that mail of your users can meet",
    "(Debian: not by CHECK_RCPT_LOCAL_ACL_FILE, which mail with a login never comes to, docs/exim.md):",
)
_NEEDED = (
    "These settings are about each recipient as well (senders, access tables, limits of internal or external",
    "recipients), and of these the end of a message tells nothing. So put these lines as well",
)
_OPTIONAL = (
    "By these a message over a limit is refused at its end. If its recipients shall be refused one by one as",
    "they are named, put these lines as well",
)
_THEN = (
    "Then see that Exim reads them, and reload it:",
    "  exim4 -bV && systemctl reload exim4",
)
WHILE_DOWN = (
    f"while Sendwarden is down mail passes unchecked: at once if it is stopped, after {TIMEOUT} if it hangs"
)
UNDO = (f"sed -i '/{BEGIN}/,/{END}/d' FILE", "exim4 -bV && systemctl reload exim4")


def show(loaded: Loaded, output: Output, *, only_print: bool) -> int:
    """The statements, where they go, and how they are taken out. The same for all versions since 4.82."""
    del only_print
    policy = loaded.settings.listen.policy
    if not policy:
        output.error('Nothing to ask: [listen] names no policy; set policy = "127.0.0.1:10031"')
        return CANNOT
    whole, recipient = of_whole(policy[0]), of_recipient(policy[0])
    needed = needs_recipients(loaded.site)
    version = exim().detail
    output.line(f"Exim {version} is here." if version else "Exim was not found here.")
    _show(whole, recipient, output, needed=needed)
    output.record({"server": "exim", "found": bool(version), "version": version, "lines": whole,
                   "recipient_lines": recipient, "recipient_lines_needed": needed,
                   "while_down": WHILE_DOWN, "undo": UNDO, "changed": False})  # fmt: skip
    return GOOD


def needs_recipients(site: Site) -> bool:
    """Is there anything that only a question about a recipient can settle?"""
    limits = (*(one.limits for one in site.channels if one.limits), *(one.limits for one in site.overrides))
    return site.judges_senders or bool(site.access_stages("policy")) or any(map(_by_class, limits))


def _by_class(limits: Limits) -> bool:
    return bool(_BY_CLASS.intersection(limits.others))


def of_whole(listen: str) -> tuple[str, ...]:
    """The statements for ``acl_smtp_data``, from `BEGIN` to `END`."""
    asking = (*_BEFORE_WHOLE.strip().splitlines(), *_asking(listen, "END-OF-MESSAGE", WHOLE))
    return (f"{BEGIN} data", *asking, *_OF_WHOLE.strip().splitlines(), END)


def of_recipient(listen: str) -> tuple[str, ...]:
    """The statements for ``acl_smtp_rcpt``, from `BEGIN` to `END`."""
    asking = (*_BEFORE_RECIPIENT.strip().splitlines(), *_asking(listen, "RCPT", RECIPIENT))
    return (f"{BEGIN} rcpt", *asking, *_OF_RECIPIENT.strip().splitlines(), END)


def _asking(listen: str, state: str, attributes: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    named = (("request", "smtpd_access_policy"), ("protocol_state", state), *attributes)
    return (
        f"  set acl_m_sendwarden = ${{readsocket{{{_endpoint(listen)}}}{{\\",
        *(f"    {name}={value}\\n\\" for name, value in named),
        f"    \\n}}{{{TIMEOUT}}}{{}}{{{FAILS}}}}}",
    )


def _endpoint(listen: str) -> str:
    """The socket in readsocket's words."""
    if listen.startswith("unix:"):
        return listen.removeprefix("unix:")
    address, _, port = listen.rpartition(":")
    return f"inet:{_EVERYWHERE.get(address, address)}:{port}"


def _show(whole: tuple[str, ...], recipient: tuple[str, ...], output: Output, *, needed: bool) -> None:
    told = (*_WHERE_WHOLE, *(f"  {line}" for line in whole))
    more = (*(_NEEDED if needed else _OPTIONAL), *_WHERE_RECIPIENT, *(f"  {line}" for line in recipient))
    down = f"{WHILE_DOWN[0].upper()}{WHILE_DOWN[1:]} (docs/when-sendwarden-is-down.md)."
    undo = ("To take it out again (FILE is where you put them):", *(f"  {one}" for one in UNDO))
    for line in (*told, *more, *_THEN, down, *undo):
        output.line(line)
