"""Views say whose request they take, so that mypy sees what they ask of the account."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
VIEWS = sorted(one for one in (ROOT / "ismp").rglob("*.py") if "views" in (*one.parts, one.stem))


def test_there_are_views():
    assert len(VIEWS) > 15


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_view_forgets_whose_request_it_takes(path):
    text = path.read_text("utf-8")
    assert not re.search(r": Any = (self\.)?request\.user", text)
    if re.search(r"\bHttpRequest\b", text) and "is_authenticated" not in text:
        untyped = re.search(r"from django\.http import [^\n]*\bHttpRequest\b", text)
        assert not (untyped and "request.user" in text)
