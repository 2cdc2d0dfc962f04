"""What deploy/ and docs/operations.md name exists."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).parent.parent
TEXTS = [
    ROOT / "docs/operations.md",
    ROOT / "README.md",
    *(p for p in (ROOT / "deploy").rglob("*") if p.is_file()),
]
SETTINGS = (ROOT / "ismp/settings.py").read_text("utf-8")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_settings_and_commands_exist(path):
    text = path.read_text("utf-8")
    for name in re.findall(r"\bISMP_[A-Z_0-9]+\b", text):
        assert name in SETTINGS, name
    commands = re.findall(r"(?:`|/bin/|^    )ismp ([a-z_]+)", text, re.MULTILINE)
    assert set(commands) <= set(get_commands())


def test_units_start_what_they_say():
    units = sorted((ROOT / "deploy").glob("*.service"))
    started = [
        re.search(r"^ExecStart=/opt/ismp/bin/ismp (.+)$", u.read_text(), re.M)[1] for u in units
    ]
    assert started == ["serve --no-worker", "worker"]


@pytest.mark.parametrize("setting", ["ISMP_UPLOAD_MAX_MB", "ISMP_MATERIAL_MAX_MB"])
def test_the_proxy_lets_the_largest_upload_through(setting):
    site = (ROOT / "deploy/nginx.conf").read_text()
    limit = int(re.search(rf'"{setting}", (\d+)', SETTINGS)[1])
    assert limit < max(map(int, re.findall(r"client_max_body_size (\d+)m", site)))
