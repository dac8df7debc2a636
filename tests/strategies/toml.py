"""TOML documents of every shape, written letter by letter, so that each key's and value's place is known."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

Path = tuple[str | int, ...]
# Line and column from 1, and the text that stands there.
Written = tuple[int, int, str]

SCALARS = st.sampled_from(
    [
        *("0", "-17", "1_000", "0x1f", "1.5", "inf", "true", "false", "1979-05-27", "07:32:00", '""', "''"),
        *(
            '"text"',
            '"a = [b]"',
            "'# no comment'",
            '"ä中𝄞"',
            r'"\" \\ \u00e9"',
            "'C:\\mail'",
            '"""one line"""',
        ),
    ]
)
COMMENTS = st.sampled_from(["", "", "  # note", "# ä = [1", '\t# "', "  "])
BARE, QUOTED = "bare", "quoted"


@dataclass(slots=True)
class Document:
    """A document as it grows. ``boundaries``: numbers of lines before which a statement may be put in."""

    lines: list[str] = field(default_factory=lambda: [""])
    keys: dict[Path, Written] = field(default_factory=dict)
    values: dict[Path, Written] = field(default_factory=dict)
    boundaries: list[int] = field(default_factory=list)
    names: int = 0

    def here(self) -> tuple[int, int]:
        return len(self.lines), len(self.lines[-1]) + 1

    def put(self, text: str) -> None:
        self.lines[-1] += text

    def end_line(self) -> None:
        self.lines.append("")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Pairs, then tables and arrays of tables, nested and dotted, over one line or several."""
    document = Document()
    for _ in range(draw(st.integers(0, 3))):
        _pair_line(draw, document, ())
    arrays: dict[Path, int] = {}
    tables: list[Path] = [()]
    for _ in range(draw(st.integers(0, 5))):
        _table(draw, document, tables, arrays)
        for _ in range(draw(st.integers(0, 3))):
            _pair_line(draw, document, tables[-1])
    return document


def _table(draw: st.DrawFn, document: Document, tables: list[Path], arrays: dict[Path, int]) -> None:
    """A header: of a new table below one that is there already, or one more of an array."""
    _blank_lines(draw, document)
    document.boundaries.append(len(document.lines))
    repeated = sorted(arrays, key=str)
    array = draw(st.booleans())
    if array and repeated and draw(st.booleans()):
        path = draw(st.sampled_from(repeated))
        written = [part for part in path if isinstance(part, str)]
        if _old_element(path, arrays):
            return
        names = [_again(name) for name in written]
    else:
        above = draw(st.sampled_from([one for one in tables if not _old_element(one, arrays)] or [()]))
        name, spelled = _name(draw, document)
        path = (*above, name)
        names = [*(_again(part) for part in above if isinstance(part, str)), spelled]
    document.put("[[" if array else "[")
    line, column = document.here()
    header = draw(st.sampled_from([".", " . "])).join(names)
    document.put(f"{header}{']]' if array else ']'}{draw(COMMENTS)}")
    document.end_line()
    document.keys.setdefault(path, (line, column, header))
    if array:
        arrays[path] = arrays.get(path, -1) + 1
        path = (*path, arrays[path])
        document.keys[path] = (line, column, header)
    tables.append(path)


def _old_element(path: Path, arrays: dict[Path, int]) -> bool:
    """Does the path lead through an element of an array that is no longer the last?"""
    return any(
        isinstance(part, int) and arrays.get(path[:number]) != part for number, part in enumerate(path)
    )


def _blank_lines(draw: st.DrawFn, document: Document) -> None:
    for _ in range(draw(st.integers(0, 1))):
        document.put(draw(st.sampled_from(["", "# comment", "   # [site]", "\t"])))
        document.end_line()


def _name(draw: st.DrawFn, document: Document) -> tuple[str, str]:
    """A name that stands nowhere else, and how it is written."""
    document.names += 1
    number = document.names
    return draw(
        st.sampled_from(
            [
                (f"key{number}", f"key{number}"),
                (f"{number}x", f"{number}x"),
                (f"ä {number}", f'"ä {number}"'),
                (f"a.b={number}", f"'a.b={number}'"),
                (f'"{number}"', f'"\\"{number}\\""'),
            ]
        )
    )


def _again(name: str) -> str:
    """A name once more, spelled in quotes where it must be."""
    if name.isascii() and name.isalnum():
        return name
    return '"' + name.replace('"', '\\"') + '"'


def _pair_line(draw: st.DrawFn, document: Document, above: Path) -> None:
    _blank_lines(draw, document)
    document.boundaries.append(len(document.lines))
    document.put(draw(st.sampled_from(["", "  ", "\t"])))
    _pair(draw, document, above, depth=0, several_lines=True)
    document.put(draw(COMMENTS))
    document.end_line()


def _pair(draw: st.DrawFn, document: Document, above: Path, *, depth: int, several_lines: bool) -> None:
    parts = [_name(draw, document) for _ in range(draw(st.integers(1, 2)))]
    line, column = document.here()
    spelled = ".".join(written for _, written in parts)
    document.put(spelled)
    path = above
    for name, _ in parts:
        path = (*path, name)
        document.keys[path] = (line, column, spelled)
    document.put(draw(st.sampled_from(["=", " = ", "\t=  "])))
    _value(draw, document, path, depth=depth, several_lines=several_lines)


def _value(draw: st.DrawFn, document: Document, path: Path, *, depth: int, several_lines: bool) -> None:
    line, column = document.here()
    kind = draw(st.sampled_from(["scalar", "scalar", "list", "table", "long"] if depth < 2 else ["scalar"]))
    if kind == "list":
        _list(draw, document, path, depth=depth, several_lines=several_lines)
    elif kind == "table":
        document.put("{ ")
        for number in range(draw(st.integers(0, 2))):
            document.put(", " if number else "")
            _pair(draw, document, path, depth=depth + 1, several_lines=False)
        document.put(" }")
    elif kind == "long" and several_lines:
        document.put('"""' + draw(st.sampled_from(["", "a ä", "\\"])))
        document.end_line()
        document.put(draw(st.sampled_from(["a = [", "[site]", '""', "end"])) + '"""')
    else:
        document.put(draw(SCALARS))
    end = (
        document.lines[line - 1][column - 1 :]
        if len(document.lines) > line
        else document.lines[-1][column - 1 :]
    )
    document.values[path] = (line, column, end)


def _list(draw: st.DrawFn, document: Document, path: Path, *, depth: int, several_lines: bool) -> None:
    breaks = several_lines and draw(st.booleans())
    document.put("[")
    for number in range(draw(st.integers(0, 3))):
        if breaks:
            document.put(draw(COMMENTS))
            document.end_line()
            document.put("  ")
        _value(draw, document, (*path, number), depth=depth + 1, several_lines=several_lines)
        document.put(",")
    document.put("]")
