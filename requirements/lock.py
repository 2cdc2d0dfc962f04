"""Write run.txt and dev.txt anew from pyproject.toml: every package by version and hash, no URL.

    .venv/bin/python requirements/lock.py             after a dependency was added or dropped
    .venv/bin/python requirements/lock.py --upgrade   to take what is newest of each

Without `--upgrade` every version that is locked stays.  Asks the package index; the lock's own
`uv.lock` is made in a temporary folder, because two files that say the same would drift apart.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = {"run": ["--no-dev"], "dev": []}


def main() -> None:
    project = (HERE.parent / "pyproject.toml").read_text("utf-8")
    if "--upgrade" not in sys.argv[1:]:
        pins = re.findall(r"^(\S+==[^\\]+?) \\$", (HERE / "dev.txt").read_text("utf-8"), re.M)
        kept = f"[tool.uv]\nconstraint-dependencies = {json.dumps(pins)}"
        project = project.replace("[tool.uv]", kept)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(project, "utf-8")
        for name, groups in LOCKS.items():
            (HERE / f"{name}.txt").write_text(_exported(folder, groups), "utf-8")


def _exported(folder: str, groups: list[str]) -> str:
    uv = [sys.executable, "-m", "uv", "--quiet", "export", "--no-header", "--no-emit-project"]
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    return subprocess.run(
        [*uv, *groups], check=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    main()
