"""The folders of the tests: what each may import."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FOLDERS = {"support", "unit", "integration", "site", "end_to_end", "clock"}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("folder", sorted(FOLDERS - {"clock"}))
def test_no_test_imports_a_test(folder):
    wrong = {
        f"{path.relative_to(TESTS)}: {name}"
        for path in (TESTS / folder).rglob("*.py")
        for name in imported(path)
        if name.startswith("tests.") and not name.startswith("tests.support")
    }
    assert not wrong


def test_every_test_stands_in_the_folder_of_its_kind():
    assert {path.name for path in TESTS.iterdir() if path.is_dir()} - {"__pycache__"} == FOLDERS
    assert {path.name for path in TESTS.glob("*.py")} == {"__init__.py", "conftest.py"}
    assert not list((TESTS / "support").glob("test_*.py"))


def test_integration_tests_mirror_the_rooms_they_test():
    rooms = {
        path.relative_to(TESTS / "integration").parent
        for path in TESTS.rglob("integration/**/test_*.py")
    }
    missing = {str(room) for room in rooms if not (TESTS.parent / "ismp" / room).exists()}
    assert not missing
