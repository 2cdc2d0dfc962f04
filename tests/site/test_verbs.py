"""Each verb of the audit trail is declared once, with its effects, and recorded somewhere."""

import ast
import re

import pytest

from ismp.audit import verbs
from ismp.audit.verbs import ALL, NONE, Topic, Verb
from tests.support import ROOT

PACKAGE = ROOT / "ismp"
DECLARED = PACKAGE / "audit" / "verbs.py"


def sources():
    """(file, its text) of all code but the declarations."""
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.name != "verbs.py":
            yield file, file.read_text("utf-8")


def test_every_declared_verb_is_recorded():
    named = {
        name for _, text in sources() for name in re.findall(r"\b(?:\w+_)?verbs\.([A-Z_]+)\b", text)
    }
    assert {one.name.upper() for one in verbs.every()} - named == set()


def test_every_recorded_verb_is_declared():
    """Nothing is recorded by a bare string, and no verb is made elsewhere than where one looks."""
    for file, text in sources():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).split(".")[-1]
                assert called != "Verb", file
                if called in {"record", "Entry", "is_new"} and "trail" in text:
                    assert not any(isinstance(one, ast.Constant) for one in node.args[:1]), file


def test_every_declaration_is_collected():
    written = [
        name
        for file in PACKAGE.rglob("verbs.py")
        if file != DECLARED
        for name in re.findall(r'= Verb\(\s*"(\w+)"', file.read_text("utf-8"))
    ]
    assert sorted(written) == sorted(one.name for one in verbs.every())


def test_none_is_declared_without_its_effects():
    for one in ({}, {"boards": NONE}, {"reviews": NONE}):
        with pytest.raises(TypeError):
            Verb("x", "x", **one)


def test_none_is_declared_twice():
    known = verbs.every()[0]
    verbs.declare([known])
    with pytest.raises(ValueError, match=known.name):
        verbs.declare([Verb(known.name, "x", boards=NONE, reviews=NONE)])


def test_a_verb_of_another_version_concerns_everybody():
    unknown = verbs.find("done_by_a_later_version")
    assert (unknown.label, unknown.boards, unknown.reviews) == (unknown.name, ALL, ALL)
    assert all(verbs.rewrites(unknown, topic) for topic in Topic)
    known = [one for one in verbs.every() if verbs.rewrites(one, Topic.GRADES)]
    assert {one.name for one in known} == {"grade", "cancel_grade"}
