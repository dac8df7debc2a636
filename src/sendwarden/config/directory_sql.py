"""``[directory]`` in SQL: a driver that is there, and queries that only ask.

What a query does is read off its words, outside of quotes and comments: whoever wants to change a database by
it can, by a function of its own. This is for mistakes.
"""

import re
import sys
from collections.abc import Iterator

from sendwarden.config.access import PlaceOf
from sendwarden.config.directory import DirectorySettings
from sendwarden.core.place import Problem

# What a query begins with that gives rows. The last ones run a procedure that may.
ASKING = ("SELECT", "WITH", "VALUES", "TABLE", "CALL", "EXEC", "EXECUTE")
# What changes something, or takes locks, wherever it stands.
CHANGING = (
    *("INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "TRUNCATE"),
    *("CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "LOCK"),
)
# Packages of PyPI that have another name than their driver.
PACKAGES = {"mysqldb": "mysqlclient", "psycopg2": "psycopg2-binary", "mariadbconnector": "mariadb"}

# Quoted text and names ('', "", ``, []), and comments.
_ASIDE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][\w.]*")
_EXAMPLE = 'write query = "SELECT limits FROM users WHERE login = :account"'


def check_query(query: str, setting: str, place_of: PlaceOf) -> Iterator[Problem]:
    """SW132: it does something else than to ask."""
    place = place_of(("directory", setting))
    bare = _ASIDE.sub(" ", query)
    words = [word.upper() for word in _WORD.findall(re.sub(r":\w+", " ", bare))]
    first = words[0] if words else ""
    if first not in ASKING:
        says = f"{setting} begins with {first or 'no word'}, which gives no answer"
        yield Problem("SW132", says, place, _EXAMPLE.replace("query =", f"{setting} ="))
    elif changing := next((word for word in words if word in CHANGING), ""):
        says = f"{setting} has {changing} in it: it would change or lock what it is to ask"
        yield Problem(
            "SW132", says, place, "write a SELECT alone; a name that is such a word stands in quotes"
        )
    elif bare.rstrip().rstrip(";").count(";"):
        yield Problem("SW132", f"{setting} has several statements", place, "write one, without a semicolon")


def check_driver(own: DirectorySettings, place_of: PlaceOf) -> Iterator[Problem]:
    """SW129: what the URL asks the database by cannot be used here."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow, and only for sites that have a database

    dialect, place = make_url(own.url).get_dialect(), place_of(("directory", "url"))
    if dialect.is_async:
        says = f"the driver {dialect.driver} is for programs of another kind (asyncio)"
        remedy = 'write one that is not, such as "postgresql+psycopg://..." or "mysql+pymysql://..."'
        yield Problem("SW129", says, place, remedy)
        return
    try:
        dialect.import_dbapi()
    except ImportError as error:
        says = f"the driver {dialect.driver} cannot be used here: {error}"
        package = PACKAGES.get(dialect.driver, dialect.driver)
        yield Problem("SW129", says, place, f"{sys.executable} -m pip install {package}")
