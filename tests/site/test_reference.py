"""docs/reference says what the code says, and everything that it says."""

import importlib.util
import re

import pytest

from tests.support import ROOT

HERE = ROOT / "docs/reference"
SPEC = importlib.util.spec_from_file_location("generate", HERE / "generate.py")
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_page_is_what_the_code_says(page):
    """After a change: `.venv/bin/python docs/reference/generate.py`."""
    assert (HERE / page).read_text("utf-8") == generate.PAGES[page]()


def test_every_setting_that_is_read_or_named_is_there_and_described():
    page = (HERE / "settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", page, re.MULTILINE))
    read = re.findall(
        r'"((?:ISMP|DATABASE)_[A-Z0-9_]+)"', generate._settings_file().read_text("utf-8")
    )
    named = [
        name
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*")]
        if path.is_file()
        for name in re.findall(
            r"\b(?:ISMP_[A-Z0-9_]+[A-Z0-9]|DATABASE_(?:REPLICA_)?URL)\b", path.read_text("utf-8")
        )
    ]
    assert len(set(read)) > 60
    assert {*read, *named} - {"ISMP_TEST_CLOCK"} <= rows.keys()
    assert not [name for name, says in rows.items() if not says.strip()]


def test_every_right_is_described():
    page = (HERE / "roles.md").read_text("utf-8")
    assert not re.findall(r"^\| `\w+` \|.*\|  \|$", page, re.MULTILINE)


def test_the_index_leads_to_each_page():
    index = (HERE / "README.md").read_text("utf-8")
    assert set(re.findall(r"\]\((\S+\.md)\)", index)) == generate.PAGES.keys()
