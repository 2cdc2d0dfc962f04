"""The kinds of files that come in: registered from above, one for each source, loaded when asked for."""

import subprocess
import sys
from dataclasses import replace

import pytest

from ismp.imports import kinds
from ismp.imports.models import Source
from tests.support import ROOT


def test_each_source_has_its_kind():
    assert [one.source for one in kinds.all_kinds()] == Source.values
    assert kinds.find_kind("another") is None


def test_one_source_has_no_two_kinds(monkeypatch):
    again = replace(next(iter(kinds.all_kinds())))
    monkeypatch.setattr(kinds, "_providers", [*kinds._providers, lambda: [again]])
    with pytest.raises(ValueError, match=again.source):
        kinds._by_source.__wrapped__()


def test_the_effect_on_standings_is_shown_within_the_hours_of_a_file_only():
    shown = {one.source: one.parts for one in kinds.all_kinds() if one.parts}
    assert shown == {"file": ["compliance:effect"]}


def test_start_up_loads_nothing_that_reads_files(tmp_path):
    """Kinds are registered when the apps are ready, and loaded when the first one is asked for."""
    script = "import sys, django; django.setup(); print(*({'polars', 'openpyxl'} & {*sys.modules}))"
    environment = {"ISMP_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "ismp.config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert done.stdout.strip() == b""
