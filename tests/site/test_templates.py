"""Laws of the templates: read from the checkout, no page is drawn."""

import re

from tests.support import ROOT

TEMPLATES = {
    path.as_posix().split("/templates/", 1)[1]: path.read_text("utf-8")
    for path in sorted(ROOT.glob("ismp/*/templates/**/*.html"))
}
PROGRAMS = "\n".join(path.read_text("utf-8") for path in ROOT.glob("ismp/**/*.py"))


def named_by(tag: str) -> set[str]:
    return {
        name
        for source in TEMPLATES.values()
        for name in re.findall(rf'{{% {tag} "([^"]+)"', source)
    }


def is_partial(name: str) -> bool:
    return name.rsplit("/", 1)[1].startswith("_")


def test_a_partial_is_named_so_and_used():
    """`_name.html` is a part of a page: included, sent alone by a view, or drawn by a widget."""
    included = named_by("include")
    assert [name for name in included & set(TEMPLATES) if not is_partial(name)] == []
    used = included | {name for name in TEMPLATES if f'"{name}"' in PROGRAMS}
    assert [name for name in TEMPLATES if is_partial(name) and name not in used] == []


def test_every_name_is_that_of_a_template():
    named = named_by("include") | named_by("extends")
    named |= set(re.findall(r'"([a-z_]+/[a-z_/]+\.html)"', PROGRAMS))
    ours = {name for name in named if not name.startswith("django/")}
    assert ours - set(TEMPLATES) == set()


def test_every_page_is_drawn_by_a_view_or_extended():
    used = named_by("extends") | {name for name in TEMPLATES if f'"{name}"' in PROGRAMS}
    assert [name for name in TEMPLATES if not is_partial(name) and name not in used] == []


def test_style_sheets_take_space_and_type_from_the_tokens():
    """No `px` or `rem` in a margin, a padding, a gap or a font size; no colour by its number."""
    literals = []
    for path in sorted(ROOT.glob("ismp/*/static/*/css/*.css")):
        if path.name == "tokens.css":
            continue
        for rule in re.findall(r"([\w-]+): ([^;{}]+);", path.read_text("utf-8")):
            named, value = rule
            if re.match(r"(margin|padding|gap|row-gap|column-gap|font)\b", named):
                literals += re.findall(r"(?<![\w.-])[\d.]+(?:px|rem)", value)
            literals += re.findall(r"#[0-9a-f]{3,8}\b", value)
    assert literals == []


def test_only_what_an_app_alone_needs_is_loaded_by_its_pages():
    """The scripts of the kit stand in the base; a page names the script of its app at most."""
    named = re.findall(r"{% static '([^']+\.js)' %}", "\n".join(TEMPLATES.values()))
    assert {name: named.count(name) for name in named if name.startswith("ui/")} == {
        "ui/js/date-field.js": 1,
        "ui/js/table.js": 1,
    }


def test_no_line_is_wider_than_the_formatter_allows():
    wide = [
        f"{name}: {line.strip()[:60]}"
        for name, source in TEMPLATES.items()
        for line in source.splitlines()
        if len(line) > 100
    ]
    assert wide == []  # it breaks no sentence: let the view put it together, or name a part
