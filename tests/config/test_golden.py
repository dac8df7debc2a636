# ruff: noqa: E501 - lines as the command prints them
"""`sendwarden check` on a folder with a dozen mistakes at once: all of it, letter by letter."""

from pathlib import Path

import pytest

from sendwarden.cli.main import main
from tests.config.folder import write

FILES = {
    "sendwarden.toml": """\
# Submission of the campus.
mode = "enforce"
state = "var"
keep_decisions = "180 days"

[site]
domains = ["*.example.org"]
relays = ["10.20.3.4/16"]

[listen]
policy = "0.0.0.0:10031"

[[channel]]
name = "submission"
logn = true
sourcefilter = "file:IMTA_TABLE:authspam.filter"

[[channel]]
name = "webmail"
destinationfilter = { interal = "outgoing.filter" }
mode = enforce
url = "https://help.example.org
""",
    "conf.d/10-site.toml": """\
[site]
relays = []
host = 5
""",
    "conf.d/20-limits.conf": "",
    "mappings": """\
FILTER_limitauthspam
*|is-spam@* $N$E
*|*
*|* $[IMTA_LIB:chek_metermaid.so,throttle,limitauthspam,$0]$0$Y
*|postmaster@* $N$E
""",
    "metermaid.options": """\
metermaid.table.limitauthspam.quota = 50
metermaid.table.limitauthspam.quota_time = 1h
metermaid.table.limitauthspam.qota = 50
""",
    "authspam.filter": """\
require ["variables","envelope"];
if header :contains "X-Spam-Score-Internal" "****" {
if envelope :all :matches "to" "*" {
set "TO_ADDR" "${1}";
if limitauthspm "x|${TO_ADDR}" {
reject "Your account has been sending a lot of messages that appear to be spam. ";
}
}
}
""",
}

SAID = """\
error SW310: the test "limitauthspm" belongs to no extension, and there is no table FILTER_limitauthspm
  authspam.filter:5:4
     5 | if limitauthspm "x|${TO_ADDR}" {
       |    ^^^^^^^^^^^^ did you mean limitauthspam (mappings:1)?  A test of this form asks the table FILTER_<name>.

error SW301: "reject" is used, but line 1 does not require it
  authspam.filter:6:1
     6 | reject "Your account has been sending a lot of messages that appear to be spam. ";
       | ^^^^^^ write on line 1:  require ["variables","envelope","reject"];

warning SW131: "relays" is set in two files; this one counts
  conf.d/10-site.toml:2:1
     2 | relays = []
       | ^^^^^^ the other stands in sendwarden.toml:8:10

error SW102: text is expected, not 5
  conf.d/10-site.toml:3:8
     3 | host = 5
       |        ^ write it in quotes: "5"

error SW201: table FILTER_limitauthspam: the pattern "*|*" has no template
  mappings:3:1
     3 | *|*
       | ^^^ expected white space and a template here, or a next line that begins with "$".
         A space inside a pattern is written "$ ".

error SW210: call-out to "chek_metermaid.so": no such routine library here
  mappings:4:16
     4 | *|* $[IMTA_LIB:chek_metermaid.so,throttle,limitauthspam,$0]$0$Y
       |                ^^^^^^^^^^^^^^^^^ did you mean "check_metermaid.so"?  Known: check_metermaid.so, grosscheck.so
         Libraries are recognised by name and never loaded from disk.

warning SW204: table FILTER_limitauthspam: this entry can never match
  mappings:5:1
     5 | *|postmaster@* $N$E
       | ^^^^^^^^^^^^^^ line 4, "*|*", matches everything before it and ends
         Move line 5 above line 4. Entries are tried from the top.

error SW401: a whole number of seconds is expected, not "1h"
  metermaid.options:2:44
     2 | metermaid.table.limitauthspam.quota_time = 1h
       |                                            ^^ write 3600

error SW404: "qota" is not an option of a table
  metermaid.options:3:1
     3 | metermaid.table.limitauthspam.qota = 50
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean "quota"?

error SW102: "180 days" is not a duration
  sendwarden.toml:4:18
     4 | keep_decisions = "180 days"
       |                  ^^^^^^^^^^ write a number with s, m, h or d, such as "15m" or "180d"

error SW102: "*.example.org" is not a domain
  sendwarden.toml:7:12
     7 | domains = ["*.example.org"]
       |            ^^^^^^^^^^^^^^^ write ".example.org"

error SW110: 10.20.3.4/16 names a network but has host bits
  sendwarden.toml:8:11
     8 | relays = ["10.20.3.4/16"]
       |           ^^^^^^^^^^^^^^ write "10.20.0.0/16", or "10.20.3.4/32" for this one machine

error SW122: policy would be open to the whole network
  sendwarden.toml:11:10
    11 | policy = "0.0.0.0:10031"
       |          ^^^^^^^^^^^^^^^ set listen.allow = ["192.0.2.25/32"] to your mail servers, or listen on 127.0.0.1

error SW101: "logn" is not a setting of a channel
  sendwarden.toml:15:1
    15 | logn = true
       | ^^^^ did you mean "login"?  All settings of a channel: sendwarden help channel

error SW102: "interal" names no recipients
  sendwarden.toml:20:23
    20 | destinationfilter = { interal = "outgoing.filter" }
       |                       ^^^^^^^ did you mean "internal"?

error SW103: this is not TOML: enforce is no value
  sendwarden.toml:21:8
    21 | mode = enforce
       |        ^^^^^^^ text stands in quotes: write "enforce"

error SW103: this is not TOML: the text that starts here has no end on its line
  sendwarden.toml:22:7
    22 | url = "https://help.example.org
       |       ^ add the closing " . The rest of the file was checked as far as it can be read.

warning SW130: conf.d/20-limits.conf is not read: only *.toml files are
         rename it to 20-limits.toml, or move it away

15 errors, 3 warnings in 6 files (2 TOML, 1 mapping file with 1 table, 1 Sieve filter, 1 option file; 1 not read).
Nothing was changed; a daemon that runs keeps the settings it has.
"""


def test_a_dozen_mistakes_are_told_at_once_with_place_caret_and_what_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, FILES)

    code = main(["check", "--config", str(tmp_path)])

    said = capsys.readouterr()
    assert code == 1
    assert said.out == SAID
    assert said.err == ""
