"""Files, units and settings that deploy/ and docs/operations.md name exist."""

import re
import subprocess

import pytest
from django.core.management import get_commands

from tests.support import ROOT

TEXTS = [
    ROOT / "docs/operations.md",
    ROOT / "README.md",
    *(p for p in (ROOT / "deploy").rglob("*") if p.is_file()),
]
SETTINGS = (ROOT / "ismp/config/settings.py").read_text("utf-8")


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
    assert started == ["backup /srv/backup/", "verify_trail", "serve --no-worker", "worker"]
    timers = {path.stem for path in (ROOT / "deploy").glob("*.timer")}
    assert timers == {"ismp-backup", "ismp-verify"}


def test_the_units_that_the_manual_enables_are_shipped():
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    named = re.findall(r"systemctl enable --now (.+)", text)
    for unit in " ".join(named).split():
        name, _, suffix = unit.partition(".")
        template = re.sub(r"@.*", "@", name)
        assert (ROOT / f"deploy/{template}.{suffix or 'service'}").exists(), unit


def test_the_files_that_the_manual_names_are_there():
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    for name in re.findall(r"(?:deploy|requirements)/[a-z.-]+", text):
        assert (ROOT / name.rstrip(".")).exists(), name


def test_ismp_run_reads_the_settings_of_the_units():
    script = (ROOT / "deploy/ismp-run").read_text("utf-8")
    units = [path.read_text("utf-8") for path in (ROOT / "deploy").glob("*.service")]
    assert all("EnvironmentFile=/etc/ismp/ismp.env" in unit for unit in units)
    assert ". /etc/ismp/ismp.env" in script
    assert subprocess.run(["sh", "-n", ROOT / "deploy/ismp-run"], check=False).returncode == 0


@pytest.mark.parametrize("setting", ["ISMP_UPLOAD_MAX_MB", "ISMP_MATERIAL_MAX_MB"])
def test_the_proxy_lets_the_largest_upload_through(setting):
    site = (ROOT / "deploy/nginx.conf").read_text()
    limit = int(re.search(rf'"{setting}", (\d+)', SETTINGS)[1])
    assert limit < max(map(int, re.findall(r"client_max_body_size (\d+)m", site)))
