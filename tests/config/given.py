"""For each code of a problem a configuration that has it, and nothing else wrong."""

import sys
from collections.abc import Mapping
from types import ModuleType

import pytest

CHANNEL = '[[channel]]\nname = "s"\nlogin = true\nenvelope_from = "account"\nsourcefilter = "s.filter"\n'
METER = "metermaid.table.t.quota = 5\n"
THROTTLE = "FILTER_ASK\n*|* $[IMTA_LIB:check_metermaid.so,throttle,t,$0]$Y\n"
COUNTED = "FROM_ACCESS\n*|* $|INNER;$0|\nINNER\n* $[IMTA_LIB:check_metermaid.so,throttle,t,$0]$Y\n"
LIST = '[[dns_list]]\nname = "a"\nzone = "dnsbl.example.org"\n'
LDAP = (
    '[directory]\nurl = "ldap://127.0.0.1"\nbase = "dc=example"\n'
    'filter = "(uid=:account)"\nlimits_attribute = "employeeType"\n'
)

Files = Mapping[str, str | bytes]


def pretend_library(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SW127 says that python-ldap is not there; it is for all others, whatever is installed here.

    And no other driver of a database than SQLite's is.
    """
    monkeypatch.setitem(sys.modules, "pymysql", None)
    monkeypatch.setitem(sys.modules, "ldap", None if code == "SW127" else ModuleType("ldap"))


WEBMAIL = '[site]\nwebmail = ["192.0.2.80"]\n[webmail]\naccount = ["auth"]\n'
CHANNEL_ALONE = '[[channel]]\nname = "a"\n'


def settings(text: str) -> Files:
    return {"sendwarden.toml": text}


def sieve(script: str) -> Files:
    return {"sendwarden.toml": CHANNEL, "s.filter": script}


def mapping(text: str) -> Files:
    return {"mappings": text, "metermaid.options": METER}


def options(text: str) -> Files:
    return {"metermaid.options": text}


def senders(text: str) -> Files:
    return {"senders": text}


def grossd(text: str) -> Files:
    conf = "protocol = sjsms\n" + text
    return {"sendwarden.toml": '[greylist]\ngrossd = "grossd.conf"', "grossd.conf": conf}


# Code -> a configuration that has it, and the text above the caret (None: the file as a whole, or no place).
GIVEN: dict[str, tuple[Files, str | None]] = {
    "SW101": (settings("mod = 1"), "mod"),
    "SW102": (settings("mode = 1"), "1"),
    "SW103": (settings("mode = watch"), "watch"),
    "SW104": (settings("version = 2"), "2"),
    "SW106": (settings("[[channel]]\nlogin = true"), "channel"),
    "SW107": (settings('[[channel]]\nname = "a"\nlogin = true\n[[channel]]\nname = "a"'), '"a"'),
    "SW108": (settings('[[channel]]\nname = "a"\nlistener = "x:1"'), '"x:1"'),
    "SW109": (settings('[[channel]]\nname = "a"\nnetworks = ["webmail"]'), '["webmail"]'),
    "SW110": (settings('[site]\nrelays = ["10.0.0.1/8"]'), '"10.0.0.1/8"'),
    "SW111": (settings('[[channel]]\nname = "a"\nlogin = true\nlimits = "webmal"'), '"webmal"'),
    "SW112": (settings('[[override]]\nlimits = "bulk"\nreason = "x"'), "override"),
    "SW113": (
        settings('[[override]]\naccounts = ["a"]\nlimits = "bulk"\nreason = "x"\nchannels = ["webmal"]'),
        '"webmal"',
    ),
    "SW120": (
        settings('[directory]\nurl = "sqlite://"\nquery = "SELECT 1 WHERE 1 = :acount"'),
        '"SELECT 1 WHERE 1 = :acount"',
    ),
    "SW124": (settings(f'{LIST}kind = "dnsbl"\n{LIST}kind = "dnswl"'), '"a"'),
    "SW125": (
        settings(f'{LIST}kind = "dnswl"\ncodes = {{ "127.0.0.2" = 2 }}'),
        '{ "127.0.0.2" = 2 }',
    ),
    "SW126": (settings(LDAP + 'bind_dn = "cn=warden"\n'), '"cn=warden"'),
    "SW127": (settings(LDAP), '"ldap://127.0.0.1"'),
    "SW128": (
        settings(
            LDAP.replace("127.0.0.1", "ldap.example.org")
            + 'bind_dn = "cn=warden"\npassword_secret = "word"\n'
        ),
        '"ldap://ldap.example.org"',
    ),
    "SW129": (
        settings('[directory]\nurl = "mysql+pymysql://h/d"\nquery = "SELECT a FROM b WHERE c = :account"'),
        '"mysql+pymysql://h/d"',
    ),
    "SW132": (
        settings('[directory]\nurl = "sqlite://"\nquery = "DELETE FROM users WHERE login = :account"'),
        '"DELETE FROM users WHERE login = :account"',
    ),
    "SW149": (settings("[metermaid]\nredis = true\n"), "true"),
    "SW140": (
        settings('[[limits]]\nname = "a"\nrecipients = ["50/1h", "50/24h"]'),
        '"50/24h"',
    ),
    "SW141": (
        settings('[[limits]]\nname = "a"\nrecipients = ["50/1h", "90/24h"]\nper_message = 51'),
        "51",
    ),
    "SW142": (settings('[incoming]\nlimits = ["incoming-mailbox"]'), '"incoming-mailbox"'),
    "SW143": (
        settings('[counting]\nredis = "unix:///run/redis.sock"\nredis_cluster = true'),
        '"unix:///run/redis.sock"',
    ),
    "SW114": (settings('[[limits]]\nname = "unlimited"\nrecipients = "50/1h"'), '"unlimited"'),
    "SW115": (
        settings(
            '[[override]]\naccounts = ["a"]\nlimits = "bulk"\nreason = "x"\n'
            '[[override]]\naccounts = ["b", "A+x"]\nlimits = "webmail"\nreason = "x"'
        ),
        '"A+x"',
    ),
    "SW117": (
        settings(
            '[[scanner]]\nname = "a"\nkind = "spamd"\n[[score_header]]\nname = "a"\n'
            'header = "X-Spam-Score"\nwriters = ["192.0.2.9/32"]'
        ),
        '"a"',
    ),
    "SW118": (settings('[[channel]]\nname = "a"\nlogin = true\nscan = ["spm"]'), '"spm"'),
    "SW119": (
        settings(
            '[[scanner]]\nname = "a"\nkind = "spamd"\n'
            '[[channel]]\nname = "a"\nlogin = true\nscan = ["a"]\nvirus = "refuse"'
        ),
        '"refuse"',
    ),
    "SW121": (settings('[mapping]\nfile = "nowhere"'), '"nowhere"'),
    "SW122": (settings('[listen]\nmilter = "0.0.0.0:10032"'), '"0.0.0.0:10032"'),
    "SW123": (settings('[listen]\nmilter = "127.0.0.1:10031"'), '"127.0.0.1:10031"'),
    "SW130": ({"conf.d/a.conf": ""}, None),
    "SW131": ({"sendwarden.toml": 'mode = "watch"', "conf.d/a.toml": 'mode = "watch"'}, "mode"),
    "SW201": (mapping("T\n*|*\n"), "*|*"),
    "SW202": (mapping("*|* $Y\n"), "*|*"),
    "SW203": (mapping("T\n* $Y\nt\n* $Y\n"), "t"),
    "SW204": (mapping("T\n* $Y\nbob $N\n"), "bob"),
    "SW205": (mapping("T\n* $[IMTA_LIB:check_metermaid.so,query,t,$0\n"), "$["),
    "SW206": (mapping("T\n* $Y a b\n"), " "),
    "SW207": (mapping(f"T\n{'a' * 257} $Y\n"), "a" * 257),
    "SW208": (mapping("<nowhere\nT\n* $Y\n"), "<nowhere"),
    "SW209": (mapping("T\n$Q* $Y\n"), "$Q"),
    "SW210": (mapping("T\n* $[IMTA_LIB:chek_metermaid.so,query,t,$0]$Y\n"), "chek_metermaid.so"),
    "SW211": (mapping("T\n* $[IMTA_LIB:check_metermaid.so,throtle,t,$0]$Y\n"), "throtle"),
    "SW212": (
        mapping("T\n* $[IMTA_LIB:check_metermaid.so,query,t]$Y\n"),
        "IMTA_LIB:check_metermaid.so,query",
    ),
    "SW213": (mapping("T\n* $|NOWHERE;$0|$Y\n"), "NOWHERE"),
    "SW214": (mapping("T\n* $]ldap:///x[$Y\n"), "$]ldap:///x["),
    "SW215": (mapping("FILTER_T\n* $W\n"), "$W"),
    "SW216": (
        mapping("T\n* $[IMTA_LIB:check_metermaid.so,query,u,$0]$Y\n"),
        "IMTA_LIB:check_metermaid.so,query",
    ),
    "SW217": (mapping("T\n*|* $[IMTA_LIB:check_metermaid.so,throttle,t,$9]$Y\n"), "$9"),
    "SW218": (
        mapping("T\n*|* $[IMTA_LIB:check_metermaid.so,throttle,t,]$Y\n"),
        "IMTA_LIB:check_metermaid.so,throttle",
    ),
    "SW219": (mapping("MAIL_ACCESS\n*|* $I$Ya|b\n"), "$I"),
    "SW300": (sieve("keep"), "\n"),
    "SW301": (sieve('reject "x";'), "reject"),
    "SW302": (sieve('require "regex";'), '"regex"'),
    "SW303": (sieve("kep;"), "kep"),
    "SW304": (sieve("redirect 5;"), "5"),
    "SW305": (sieve('redirect :copi "a@b.example";'), ":copi"),
    "SW306": (sieve("redirect;"), "redirect"),
    "SW307": (sieve('keep; require "copy";'), 'require "copy"'),
    "SW308": (sieve("#" * 2_000_000), None),
    "SW309": (sieve("if true;"), "if"),
    "SW310": (sieve('if asks "x" { keep; }'), "asks"),
    "SW320": (
        {"sendwarden.toml": CHANNEL.replace("true", "false"), "s.filter": 'require "reject"; reject "x";'},
        '"s.filter"',
    ),
    "SW321": (
        {
            "sendwarden.toml": CHANNEL.replace('envelope_from = "account"\n', 'senders = "own"\n'),
            "mappings": THROTTLE,
            "metermaid.options": METER,
            "s.filter": 'require ["envelope", "variables"];'
            'if envelope :matches "from" "*" { if ask "${1}|x" { discard; } }',
        },
        '"s.filter"',
    ),
    "SW322": (sieve('if header :matches "From" "*<*>*" { discard; }'), '"*<*>*"'),
    "SW323": ({**settings('[access]\nfrontends = "policy"'), **mapping("MAIL_ACCESS\n*|* $B\n")}, "$B"),
    "SW324": (settings('[[channel]]\nname = "a"\nlogin = true\nforeign_sender = "tag"'), '"tag"'),
    "SW325": ({**settings('[access]\nfrontends = "both"'), **mapping(COUNTED)}, '"both"'),
    "SW330": (settings('[site]\nwebmail = ["192.0.2.80"]'), '["192.0.2.80"]'),
    "SW331": (settings('[webmail]\naccount = ["header"]'), '["header"]'),
    "SW332": (
        settings(
            '[site]\nwebmail = ["192.0.2.80"]\n[webmail]\naccount = ["received"]\n[listen]\nmilter = []'
        ),
        '["received"]',
    ),
    "SW326": (sieve('require "spamtest";\nif spamtest "10" { discard; }\n'), '"s.filter"'),
    "SW401": (options("metermaid.table.t.quota = many\n"), "many"),
    "SW403": (
        {"mappings": THROTTLE, "metermaid.options": "metermaid.table.t.type = simple\n"},
        "IMTA_LIB:check_metermaid.so,throttle",
    ),
    "SW404": (options("metermaid.table.t.qota = 5\n"), "metermaid.table.t.qota"),
    "SW405": (options("metermaid.config.port = 63837\n"), "metermaid.config.port"),
    "SW407": (options("just words\n"), "just words"),
    "SW408": (options(METER + METER), "metermaid.table.t.quota"),
    "SW601": (senders("info@example.org\n"), "info@example.org"),
    "SW602": (senders("info@ example.org\n"), "info@"),
    "SW603": (senders("  bob\n"), "  bob"),
    "SW604": (senders("info@example.org bob\nINFO@example.org eve\n"), "INFO@example.org"),
    "SW605": (senders("/^(.*)@example.org$/ ${1}\n"), "/^(.*)@example.org$/"),
    "SW701": (grossd("grey_dealy = 5\n"), "grey_dealy"),
    "SW702": (grossd("grey_delay =\n"), "grey_delay ="),
    "SW703": (grossd("grey_delay = 5 ; 6\n"), ";"),
    "SW704": (grossd("grey_delay = long\n"), "long"),
    "SW705": (grossd("filter_bits = 24\n"), "filter_bits"),
    "SW706": (grossd("grey_delay 5\n"), "grey_delay 5"),
    "SW707": (grossd("grey_delay = 5\ngrey_delay = 6\n"), "grey_delay"),
    "SW708": (grossd("check = dnsbI\n"), "dnsbI"),
    "SW709": (
        {"sendwarden.toml": '[greylist]\ngrossd = "grossd.conf"', "grossd.conf": "grey_delay = 5\n"},
        None,
    ),
    "SW710": (grossd("dnsbl = bl.example.org\n"), "bl.example.org"),
    "SW711": (grossd("check = blocker\n"), "blocker"),
    "SW715": (
        settings(f'{WEBMAIL}{CHANNEL_ALONE}greylist = ["new-network"]'),
        '["new-network"]',
    ),
    "SW713": (settings(f'{CHANNEL_ALONE}login = false\ngreylist = ["listed"]'), '["listed"]'),
    "SW714": (settings(f'{CHANNEL_ALONE}greylist = ["all"]'), '["all"]'),
    "SW712": (settings('[greylist]\nchecks = ["zen"]'), '"zen"'),
}
# These need a state file, the time, or a Postfix; tests/cli and tests/e2e/test_connect.py have them.
LIVE = ("SW116", "SW402", "SW501", "SW502", "SW503", "SW504")
WARNINGS = frozenset(
    {
        "SW109",
        "SW115",
        "SW119",
        "SW128",
        "SW326",
        "SW140",
        "SW141",
        "SW142",
        "SW130",
        "SW131",
        "SW204",
        "SW219",
        "SW323",
        "SW324",
        "SW325",
        "SW206",
        "SW207",
        "SW215",
        "SW217",
        "SW218",
        "SW320",
        "SW321",
        "SW322",
        "SW330",
        "SW331",
        "SW332",
        "SW405",
        "SW408",
        "SW604",
        "SW705",
        "SW706",
        "SW707",
        "SW710",
        "SW714",
        "SW715",
    }
)
