"""Files and tests that the documents name exist."""

import re

import pytest

from tests.support import ROOT


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


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_is_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not target.startswith(("http", "#", "mailto:")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_no_file_cites_a_document_that_is_not_here():
    """In code, tests and documents; a name without a folder may be that of any page."""
    cited = re.compile(r"(?<![\w./…-])((?:docs/)?(?:[\w-]+/)*[\w.-]+\.md)\b")
    names = {path.name for path in PAGES}
    sources = [
        *ROOT.glob("ismp/**/*.py"),
        *ROOT.glob("tests/**/*.py"),
        *PAGES,
        ROOT / "pyproject.toml",
    ]
    for path in sources:
        for name in cited.findall(path.read_text("utf-8")):
            whole = (ROOT / name).exists() or (path.parent / name).exists()
            assert whole or ("/" not in name and name in names), (path, name)


def test_the_index_of_decisions_says_what_they_say():
    """Number, title, status and day of each, in their order."""
    index = (ROOT / "docs/adr/README.md").read_text("utf-8")
    listed = re.findall(
        r"^\| \[(\d+)\]\((\S+)\) \| (.+?) \| (.+?) \| (\S+) \|$", index, re.MULTILINE
    )
    found = []
    for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        title, _, status = path.read_text("utf-8").splitlines()[:3]
        number, name = re.fullmatch(r"# (\d+)\. (.+)", title).groups()
        state, day = re.fullmatch(
            r"((?:Accepted|Superseded|Proposed).*) · (\d{4}-\d\d-\d\d)", status
        ).groups()
        assert int(path.name[:4]) == int(number)
        found.append((number, path.name, name, state, day))
    assert listed == found


def test_the_two_readmes_lead_to_the_same_pages():
    one, other = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-TW.md"))
    linked = [
        set(re.findall(r"\]\(([^)\s]+)\)", text)) - {"README.md", "README.zh-TW.md"}
        for text in (one, other)
    ]
    assert linked[0] == linked[1]
    assert "README.zh-TW.md" in one
    assert "(README.md)" in other
    commands = [
        re.findall(r"^    (?:python3 run\.py|ismp|pip|export) .*?(?=  #|$)", text, re.MULTILINE)
        for text in (one, other)
    ]
    assert [line.strip() for line in commands[0]] == [line.strip() for line in commands[1]]


def test_every_module_that_the_developers_pages_name_is_there():
    """`ismp/…`, `tests/…`, `benchmarks/…` and `docs/…` in their code and their sentences."""
    for page in (ROOT / "docs/develop").glob("*.md"):
        named = re.findall(
            r"\b((?:ismp|tests|benchmarks|docs)/[\w/.-]*\w)", page.read_text("utf-8")
        )
        for name in named:
            assert (ROOT / name).exists(), (page.name, name)
        for name in re.findall(r"\b(ismp(?:\.\w+)+)", page.read_text("utf-8")):
            module = ROOT / name.replace(".", "/")
            whole = module.is_dir() or module.with_suffix(".py").exists()
            assert whole or (module.parent.is_dir() or module.parent.with_suffix(".py").exists()), (
                name
            )
