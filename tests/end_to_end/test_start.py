"""A wrong setting, database or folder: the cause in Chinese, at once, and exit code 1."""

import os
import stat
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.support import ROOT
from tests.support.hosts import free_ports
from tests.support.installations import Place

pytestmark = pytest.mark.end_to_end


def ismp(home, *arguments, **settings):
    environment = {**os.environ, "ISMP_HOME": str(home), **settings}
    if "DATABASE_URL" not in settings:
        environment.pop("DATABASE_URL", None)
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ISMP_PORT": "abc"}, "設定 ISMP_PORT"),
        ({"ISMP_PORT": "70000"}, "設定 ISMP_PORT"),
        ({"ISMP_WEB_PROCESSES": "0"}, "設定 ISMP_WEB_PROCESSES"),
        ({"ISMP_HTTPS": "maybe"}, "設定 ISMP_HTTPS"),
        ({"ISMP_LOG_FORMAT": "xml"}, "設定 ISMP_LOG_FORMAT"),
        ({"ISMP_LOG_LEVEL": "LOUD"}, "設定 ISMP_LOG_LEVEL"),
        ({"ISMP_TRUSTED_ORIGINS": "ismp.example"}, "設定 ISMP_TRUSTED_ORIGINS"),
        ({"DATABASE_URL": ""}, "設定 DATABASE_URL"),
        ({"DATABASE_URL": "mysql://ismp@127.0.0.1/ismp"}, "設定 DATABASE_URL"),
        ({"DATABASE_URL": "postgres://ismp:topsecret@127.0.0.1:port/x"}, "設定 DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////proc/none/ismp.sqlite3"}, "無法開啟資料庫檔案"),
        ({"DATABASE_URL": f"sqlite:///{__file__}"}, "不是 SQLite 資料庫"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path, given, says):
    done = ismp(tmp_path / "home", "serve", **given)
    assert done.returncode == 1
    assert says in done.stderr
    assert "topsecret" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "worker", "verify_trail", "backup x.zip"])
def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path, command):
    [port] = free_ports(1)
    address = f"postgres://ismp:topsecret@127.0.0.1:{port}/city"
    done = ismp(tmp_path / "home", *command.split(), DATABASE_URL=address)
    assert done.returncode == 1
    for part in ("還沒有啟動", "127.0.0.1", str(port), "city", "ismp", "DATABASE_URL"):
        assert part in done.stderr
    assert "topsecret" not in done.stderr


@pytest.mark.postgresql
def test_a_database_that_does_not_exist_is_named(tmp_path):
    address = f"postgres://ismp@/no_such_city?host={os.environ['ISMP_TEST_CLUSTER']}"
    done = ismp(tmp_path / "home", "serve", DATABASE_URL=address)
    assert done.returncode == 1
    assert "沒有這個資料庫" in done.stderr
    assert "no_such_city" in done.stderr


def test_a_home_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        done = ismp(home, "serve")
        assert done.returncode == 1
        assert f"資料夾 {home} 不能寫入" in done.stderr


def test_damaged_keys_are_named_and_left_alone(tmp_path):
    (tmp_path / "keys.json").write_text("{")
    done = ismp(tmp_path, "serve")
    assert done.returncode == 1
    assert "金鑰檔" in done.stderr
    assert (tmp_path / "keys.json").read_text() == "{"


def test_a_home_that_was_open_to_others_is_closed(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    assert ismp(home, "migrate", "--verbosity=0").returncode == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for path in home.rglob("*"):
        assert not path.stat().st_mode & 0o077, path


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "import ismp.config.settings"],
        ["-c", "import ismp.config.settings, django; django.setup()"],
        ["manage.py", "check"],
        ["manage.py", "makemigrations", "--check", "--dry-run"],
        ["manage.py", "import_hours", "--help"],
        ["manage.py"],
    ],
    ids=" ".join,
)
def test_who_works_on_the_program_leaves_no_home(tmp_path, arguments):
    environment = {name: value for name, value in os.environ.items() if "ISMP" not in name}
    environment |= {"HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "ismp.config.settings"}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_developer_has_a_home_in_the_checkout_and_sees_errors(tmp_path):
    ask = "from django.conf import settings; print(settings.DEBUG, settings.ISMP_HOME)"
    environment = {name: value for name, value in os.environ.items() if "ISMP" not in name}
    environment |= {"HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "ismp.config.settings"}

    def said(**more):
        command = [sys.executable, "-c", ask]
        return subprocess.check_output(command, cwd=ROOT, env=environment | more, text=True).split()

    assert said(ISMP_DEBUG="1") == ["True", str(ROOT / "ismp-home")]
    assert said(ISMP_DEBUG="1", ISMP_HOME=str(tmp_path)) == ["True", str(tmp_path)]
    assert said(ISMP_DEBUG="0") == said() == ["False", str(tmp_path / "ismp-home")]


@pytest.mark.parametrize("command", ["serve", "worker", "check", "migrate"])
def test_what_developers_see_is_not_served_to_others(tmp_path, command):
    done = ismp(tmp_path / "home", command, ISMP_DEBUG="1", ISMP_HTTPS="1")
    assert done.returncode == 1
    assert "ISMP_DEBUG=1 只供開發使用" in done.stderr


def test_the_version_is_ours(tmp_path):
    said = ismp(tmp_path, "--version").stdout
    assert said.startswith(f"ISMP {version('ismp')}")


@pytest.mark.postgresql
def test_a_pages_query_ends_and_a_commands_does_not(tmp_path):
    place = Place(tmp_path / "home", ISMP_PAGE_STATEMENT_SECONDS="7")
    ask = "from django.db import connection; cursor = connection.cursor()\n" + "".join(
        f"cursor.execute('SHOW {name}'); print(cursor.fetchone()[0])\n"
        for name in ("statement_timeout", "client_connection_check_interval", "jit")
    )
    try:
        assert place.script(f"import ismp.config.wsgi\n{ask}").split() == ["7s", "10s", "off"]
        assert place.script(f"import django; django.setup()\n{ask}").split() == ["0", "0", "off"]
    finally:
        place.close()


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO django_migrations (app, name, applied)"
        " VALUES ('requests', '0001_initial', CURRENT_TIMESTAMP)",
        "ALTER TABLE portal_ticket RENAME TO portal_fault",
        "ALTER TABLE portal_ticket RENAME COLUMN contact TO phone",
        "DELETE FROM django_migrations WHERE app = 'django_tasks_database';"
        "ALTER TABLE portal_ticket RENAME COLUMN contact TO phone",
    ],
)
def test_a_database_of_an_earlier_state_is_refused_and_left_alone(tmp_path, town, change):
    """Before the first release, migrations were rewritten in place."""
    place = Place(tmp_path / "home", like=town)
    try:
        place.script(
            "from django.db import connection\n"
            f"for one in {change.split(';')}: connection.cursor().execute(one)"
        )
        before = tables(place)
        done = place.python("manage.py", "verify_trail")
        assert done.returncode == 1
        assert "較早的開發版本" in done.stderr
        assert "Traceback" not in done.stderr
        assert tables(place) == before
    finally:
        place.close()


def tables(place):
    return place.script(
        "from django.db import connection\nprint(sorted(connection.introspection.table_names()))"
    )
