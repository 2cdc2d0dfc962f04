"""What the documents point at exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["README.md", "docs/manual.md"])
def test_every_picture_of_a_document_is_there(name):
    document = ROOT / name
    pictures = re.findall(r"!\[.+\]\((\S+)\)", document.read_text("utf-8"))
    assert pictures
    for picture in pictures:
        assert (document.parent / picture).read_bytes().startswith(b"\x89PNG"), picture


def test_the_tests_that_the_findings_name_are_there():
    """A row names files and tests; `::name` alone belongs to the file before it."""
    named = 0
    for row in (ROOT / "docs/findings.md").read_text("utf-8").splitlines():
        source = ""
        for file, test in re.findall(r"(tests/[\w/]*test_\w+\.py)?(?:::(test_\w+))?", row):
            source = (ROOT / file).read_text("utf-8") if file else source
            assert not test or f"def {test}(" in source, (file, test)
            named += bool(test)
    assert named > 100
