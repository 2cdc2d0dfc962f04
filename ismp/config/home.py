"""`ISMP_HOME`, the only folder that the platform writes to; for its owner only.

Knows where it is and how to make it.  Reading the settings does neither: `prepare` is called by
whoever is about to work in it (`ismp.config.cli`, `ismp.config.wsgi`).
"""

import os
import tempfile
from pathlib import Path

from ismp.errors import SettingRefused


def find(*, debug: bool) -> Path:
    """Return the folder that `ISMP_HOME` names, else `~/ismp-home`.

    A developer (`ISMP_DEBUG=1`) who names none works in `ismp-home` of the checkout, so that
    nothing that is tried touches a home with data in it.
    """
    ours = _checkout() if debug else Path.home()
    return Path(os.environ.get("ISMP_HOME") or ours / "ismp-home").expanduser().resolve()


def temporary(home: Path) -> Path:
    """The folder for temporary files: libraries spool tables with names to them."""
    return home / "tmp"


def prepare(home: Path) -> None:
    """Make the folder, close it to others, and have temporary files written within it.

    Raises SettingRefused when it cannot be written to.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary(home).mkdir(mode=0o700, exist_ok=True)
        if (
            os.name == "posix"
            and home.stat().st_uid == os.geteuid()
            and home.stat().st_mode & 0o077
        ):
            home.chmod(0o700)
        with tempfile.TemporaryFile(dir=temporary(home)):
            pass
    except OSError as error:
        raise SettingRefused(
            f"資料夾 {home} 不能寫入（{os.strerror(error.errno or 0)}）；"
            "請檢查 ISMP_HOME、擁有者與磁碟。"
        ) from None
    tempfile.tempdir = str(temporary(home))


def _checkout() -> Path:
    above = Path(__file__).resolve().parents[2]
    return above if (above / "manage.py").exists() else Path.cwd()
