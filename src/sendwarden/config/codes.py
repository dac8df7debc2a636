"""What each code of a problem means, at length: `sendwarden help SW101`. A test keeps this table complete."""

from collections.abc import Mapping

CODES: Mapping[str, str] = {
    "SW101": (
        "A setting has a name that is not known here. It is not used. The name is misspelt, stands in the "
        "wrong table, or belongs to another version."
    ),
    "SW102": "A setting has a value of the wrong kind. The line below the place says what may stand there.",
    "SW103": "A line is not TOML. It was left out, and the rest of the file checked without it.",
    "SW104": (
        "The settings say that they are written for a later version than this one, which may mean other "
        "things by the same names."
    ),
    "SW106": "A table lacks something that it cannot do without.",
    "SW107": "Two channels, or two rows of limits, have the same name. The first one counts.",
    "SW108": (
        "A channel waits for mail over a socket that [listen] does not open, so that it would never apply."
    ),
    "SW109": (
        "Nothing can ever fall to this channel: a channel above it takes everything that it would, or it "
        "names no networks at all. Its filters would never run."
    ),
    "SW110": (
        "A network is written with an address inside it. It could mean the network or the one machine, "
        "and nobody should have to guess."
    ),
    "SW111": "A channel or an override names a row of limits that does not exist.",
    "SW112": "An override says for no account, domain or host that it holds.",
    "SW113": "An override names a channel that does not exist.",
    "SW114": 'A row of limits has the name "unlimited", which channels and overrides write for no limits.',
    "SW115": (
        "Two overrides name the same account. The first one that holds for it counts, and this one never "
        "would: the one above it lasts as long, on the same channels."
    ),
    "SW116": "An override is over: the day of its until is past. It has no effect any more.",
    "SW117": "Two scanners or score headers have the same name, or two score headers name the same header.",
    "SW118": "A channel names a scanner or score header that does not exist.",
    "SW119": (
        "What happens to spam or to viruses is said, but the channel asks no scanner that looks for them: "
        "that is what scan is for."
    ),
    "SW120": (
        "A query or the filter of [directory] must ask for one account: by :account, or by its parts, :local "
        "and :domain."
    ),
    "SW121": "A file that the settings name cannot be read, or lies outside the folder of the settings.",
    "SW122": (
        "Policy and milter have no passwords: whoever can connect can make up logins. They, and login, "
        "listen on this machine alone unless listen.allow says who else may connect."
    ),
    "SW123": "The same socket is named twice. Only one of the two could be opened.",
    "SW124": "Two lists in the DNS have the same name, or one has the name of a check.",
    "SW125": (
        "A list of good addresses (dnswl) has weights. What it lists passes, whatever others say: there is "
        "nothing to add up."
    ),
    "SW126": (
        "Settings of [directory] that do not fit its kind or each other, or one that its kind cannot do "
        "without."
    ),
    "SW127": (
        "The library that LDAP needs is not there. It has no ready-made package for Linux at PyPI: it is "
        "compiled where it is installed. Sites without LDAP do not need it."
    ),
    "SW128": "Whoever can listen on the way to the LDAP server reads the password with which it is asked.",
    "SW129": (
        "The driver by which the URL of [directory] asks its database is not installed in Sendwarden's "
        "environment, or is one that Sendwarden cannot use. No account would have the row that stands there."
    ),
    "SW130": "Only files that end in .toml are read from conf.d, and none whose name begins with a dot.",
    "SW131": (
        "The same setting stands in two files. Files are read in the order of their names, "
        "sendwarden.toml first, and the last one counts."
    ),
    "SW132": (
        "A query of [directory] does something else than to ask, such as to delete. It is run whenever an "
        "account sends, and must give rows."
    ),
    "SW149": "MeterMaid's tables are to be counted in a Redis, and counting.redis names none.",
    "SW140": (
        "Of two rates of one counter the longer window allows no more than the shorter, which then has no "
        "effect."
    ),
    "SW141": (
        "A row lets one message have more recipients (per_message) than a window of it lets through at all. "
        "A message between the two is refused by the window, however long its sender waits."
    ),
    "SW142": (
        "A setting that can do nothing: a row that never counts what it names, mailboxes of ours where no "
        "domain is, or what belongs to a Redis that is not named."
    ),
    "SW143": "A Redis cluster is reached by the addresses of its nodes, and has one database, number 0.",
    "SW201": (
        "A mapping entry needs two columns, a pattern and a template, parted by white space. A template "
        "may also stand alone on the next line if it begins with a dollar sign."
    ),
    "SW202": "An entry stands before the first table name. A table name stands alone on a line, in column 1.",
    "SW203": "Two mapping tables have the same name; case does not count.",
    "SW204": (
        "Entries are tried from the top, and an earlier one always matches what this one would match, and "
        "ends."
    ),
    "SW205": "A template cannot be read. The caret shows where.",
    "SW206": "A blank inside a template that no dollar sign quotes. It is kept as it is.",
    "SW207": "Messaging Server limits a pattern to 256 and a template to 1024 letters. Here more is fine.",
    "SW208": "An include file cannot be read, lies outside the folder of the settings, or includes too deep.",
    "SW209": "A pattern cannot be read. The caret shows where.",
    "SW210": (
        "A call-out names a library. Libraries are recognised by their file name and are part of "
        "Sendwarden; nothing is ever loaded from disk."
    ),
    "SW211": "A call-out names a routine that its library does not have.",
    "SW212": "A call-out has too many or too few arguments. They are parted by the commas of the template.",
    "SW213": "A template asks another mapping table that does not exist.",
    "SW214": (
        "LDAP and database look-ups in templates are understood, but nothing is configured that they "
        "could ask."
    ),
    "SW215": "A flag that means nothing in a table of this kind.",
    "SW216": (
        "A call-out counts in a MeterMaid table that no option defines. It would always fail, that is, "
        "never be over quota."
    ),
    "SW217": (
        "A template uses $0 to $9 beyond the wildcards of its pattern, which are counted from 0. Nothing "
        "stands for it: as the key of a call-out it counts for nobody, and a limit made of it holds for none."
    ),
    "SW218": (
        "A call-out counts for a key that is always empty. The null sender has such a key, and is never "
        "counted: the call fails, that is, nobody is ever over quota."
    ),
    "SW219": (
        "A flag of an access table that is understood and has no effect here: debug output ($U), the group "
        "check of another system ($I), the vacation replies that Sendwarden does not send ($!), and $S."
    ),
    "SW300": "A Sieve filter cannot be read at this place (RFC 5228 section 8).",
    "SW301": "A command, test or tag belongs to an extension that the script's require does not name.",
    "SW302": "The script requires an extension that is not known here: docs/supported-sieve.md.",
    "SW303": "There is no such command or test.",
    "SW304": (
        "An argument has the wrong kind or value. As a warning: the script runs, and this can never match, "
        "like the name of a header that no header can have."
    ),
    "SW305": "A tag that the command does not have, or two that contradict each other.",
    "SW306": "An argument is missing, or one too many.",
    "SW307": "require must stand before all other commands (RFC 5228 section 3.2).",
    "SW308": "The script is larger than any filter should be.",
    "SW309": "A test or block is missing, or stands where none may.",
    "SW310": (
        "A test or function that no extension knows stands for the mapping table FILTER_<name>, and there "
        "is none."
    ),
    "SW320": (
        "A refusal can only be said to a sender who hears it himself. Others would get a bounce for mail "
        "that was never theirs, so that the message is held or discarded instead."
    ),
    "SW321": (
        "The filter counts by envelope sender. A stolen account can write a new one for each message. "
        'Let the filter see the account of the login instead. senders = "own" alone does not help: one '
        "account may write itself in many ways (eve+1@example.org), or as the null sender."
    ),
    "SW322": (
        'The pattern "*<*>*" does not match an address without angle brackets, so that such mail passes '
        "the test unseen."
    ),
    "SW323": (
        "Access tables are asked by policy, and a policy reply cannot say this: a discard for one recipient, "
        "a new envelope sender, a header field in place of another, anything about addresses in the header. "
        "A milter can."
    ),
    "SW324": (
        "What happens to foreign senders is said, but the channel compares none with their account: that is "
        "what senders and header_from are for. Only a login has an account."
    ),
    "SW325": (
        "Access tables are asked by policy and by milter. A mail server that uses both asks twice about each "
        "message, and tables that count would count it twice."
    ),
    "SW326": (
        "The filter asks for the result of a scanner, and the channel asks none: spamtest and virustest are "
        "always 0 there."
    ),
    "SW330": (
        "Mail of the webmail that comes without SMTP AUTH has no account but the webmail's host: one stolen "
        "account uses up what all users may send, and none can be stopped alone. docs/webmail.md says how a "
        "webmail names the account of each message."
    ),
    "SW331": (
        "What a webmail says about accounts is believed only from the hosts of site.webmail, since anybody "
        "can write a header. There are none."
    ),
    "SW332": (
        "The account of the webmail's mail stands in a header, which a policy server does not see. Without a "
        "milter all users of the webmail share the meter of its host."
    ),
    "SW401": "A MeterMaid option has a value of the wrong kind.",
    "SW402": "A MeterMaid table is nearly full. When it is, the quietest keys are forgotten.",
    "SW403": "The routine works on another type of MeterMaid table.",
    "SW404": "There is no such option of a MeterMaid table.",
    "SW405": (
        "An option of MeterMaid's server or client. It is understood and has no effect: its port is not "
        "served."
    ),
    "SW407": "A line of the option file that sets nothing that is read here.",
    "SW408": "An option is set twice. The last line counts.",
    "SW501": "The state file cannot be read.",
    "SW502": (
        "Postfix asks others behind Sendwarden, and tells nobody what they answered: a message that they "
        "refuse stays charged to its account until the limit's window ends. Let Sendwarden stand last."
    ),
    "SW503": (
        "Messages about limits reach nobody, or come from an address at a machine without a domain, to which "
        "no answer finds its way. [notify] says who is told, site.host who we say that we are."
    ),
    "SW504": (
        "Programs on the mail server are to be told apart (accounts.programs), and Postfix does not show "
        "their mail to Sendwarden, or not who ran sendmail: docs/accounts-and-channels.md."
    ),
    "SW601": "A line of the senders file names an address and nobody who may use it.",
    "SW602": (
        "A line of the senders file begins with an address, with @ and a domain, or with the local part of "
        "an address of our own domains. What stands here is none of them."
    ),
    "SW603": (
        "In the senders file a line that begins with a blank goes on the line before it, and there is none."
    ),
    "SW604": "An address stands twice in the senders file. As with postmap, the first line counts.",
    "SW605": (
        "The senders file is a table of addresses, as for postmap. Tables of regular expressions (regexp: "
        "and pcre: in Postfix) are not read."
    ),
    "SW701": "A grossd.conf sets an option that grossd does not have. grossd would not start with it.",
    "SW702": "An option of a grossd.conf has no value. grossd would not start with it.",
    "SW703": (
        "A semicolon stands behind a value of a grossd.conf, and the option takes no parameter. grossd would "
        "not start with it."
    ),
    "SW704": "An option of a grossd.conf has a value that it cannot have.",
    "SW705": "An option of a grossd.conf that is understood and has no effect here.",
    "SW706": "A line of a grossd.conf without an equals sign sets nothing. grossd passes over it as well.",
    "SW707": "An option stands twice in a grossd.conf. As with grossd, the last line counts.",
    "SW708": (
        "A grossd.conf names a check that does not exist. grossd passes over such a name without a word: "
        "where no check is left it lets all mail wait."
    ),
    "SW709": "A grossd.conf sets no protocol. grossd would start, and nobody could ask it.",
    "SW710": "A grossd.conf names a list and no check that asks it, or a check and no list.",
    "SW711": (
        "A grossd.conf names a check that this version cannot ask. Without it mail would wait, or pass, that "
        "the file does not mean."
    ),
    "SW712": (
        "What greylist.checks names cannot be asked: it is neither a check nor a list of the settings, or a "
        "kind of which there is no list."
    ),
    "SW713": (
        "Mail of a channel waits if its client is on a list, and greylist.checks asks no list: none would "
        "ever wait."
    ),
    "SW714": (
        "All mail of a channel waits on which people log in. Whoever is told to try again does not know why, "
        "and mail programs show it as an error."
    ),
    "SW715": (
        "Mail of a channel may have to wait that comes by the webmail, and nothing says from which address "
        "its users come. Then it waits only where its account is at risk, as if all came from one network."
    ),
}
