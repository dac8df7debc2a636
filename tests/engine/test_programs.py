"""Which program handed a message in, and who is not believed."""

import pytest

from sendwarden.engine.programs import SCRIPT_LETTERS, Apart, is_local, program_of

OURS = ("X-Local-User", "1000 694D2212377")
FORGED = ("X-Local-User", "0 0123456789A")
PHP = ("X-PHP-Originating-Script", "1001:form.php")
SUBJECT = ("Subject", "hello")


@pytest.mark.parametrize(
    ("headers", "apart", "program"),
    [
        ([OURS, SUBJECT], "uid", "uid:1000"),
        ([SUBJECT, FORGED, OURS], "uid", "uid:1000"),
        ([OURS, FORGED], "uid", "uid:1000"),
        ([FORGED, SUBJECT], "uid", ""),
        ([SUBJECT], "uid", ""),
        ([OURS, PHP], "uid", "uid:1000"),
        ([OURS, PHP], "script", "script:1001:form.php"),
        ([OURS, SUBJECT], "script", "uid:1000"),
        ([OURS, ("x-php-originating-script", " 33:a b.php")], "script", "uid:1000"),
        ([OURS, ("X-PHP-Originating-Script", "root")], "script", "uid:1000"),
        (
            [("Received", "from x (y [10.1.1.1]) by z (Postfix, from userid 5)\n\tid 694D2212377;")],
            "uid",
            "",
        ),
        ([("X-Local-User", f"{'9' * 500} 694D2212377")], "uid", ""),
    ],
)
def test_the_users_id_counts_only_with_the_queue_id(
    headers: list[tuple[str, str]], apart: Apart, program: str
) -> None:
    assert program_of(headers, "694D2212377", apart) == program


def test_without_a_queue_id_nothing_is_believed() -> None:
    assert program_of([("X-Local-User", "0 ")], "", "uid") == ""


def test_a_long_name_of_a_script_is_cut() -> None:
    script = ("X-PHP-Originating-Script", f"1:{'x' * 5000}")
    assert len(program_of([script], "Q", "script")) <= SCRIPT_LETTERS + len("script:")


def test_only_what_no_client_of_the_network_can_be_is_local() -> None:
    assert is_local("127.0.0.1", "localhost", 0)
    assert not is_local("127.0.0.1", "localhost", 40000)
    assert not is_local("127.0.0.1", "[127.0.0.1]", 0)
    assert not is_local("192.0.2.1", "localhost", 0)
