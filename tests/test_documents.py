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
