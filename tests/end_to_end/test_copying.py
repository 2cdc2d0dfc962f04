"""A whole site from SQLite to PostgreSQL: the same rows, and it goes on working there."""

import os
import uuid

import psycopg
import pytest

from tests.support.installations import Place

pytestmark = [pytest.mark.postgresql, pytest.mark.end_to_end]


@pytest.fixture
def small_site(tmp_path):
    """On SQLite, with people, records and a trail; and an empty database for it on PostgreSQL."""
    cluster = os.environ.pop("ISMP_TEST_CLUSTER")
    try:
        place = Place(tmp_path / "home")
    finally:
        os.environ["ISMP_TEST_CLUSTER"] = cluster
    place.home.mkdir(mode=0o700)
    done = place.python("-c", BUILD)
    assert done.returncode == 0, done.stderr
    name = f"copy_{uuid.uuid4().hex}"
    with psycopg.connect(f"host={cluster} user=ismp dbname=postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield place, f"postgres://ismp@/{name}?host={cluster}"
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


BUILD = """
import django; django.setup()
from datetime import date
from ismp.ui.commands import migrate_if_needed
migrate_if_needed()
from ismp.accounts import demo_data
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Agency
from ismp.imports import actions as imports
from ismp.hours.portal_export import ExportChoices, export
people = demo_data.city()[:40]
accounts.import_roster(demo_data.roster_csv(people).encode(), by="setup")
agency = Agency.objects.get(code=people[0].agency_code)
own = [person for person in people if person.agency_code == agency.code]
data = export(own, 60, ExportChoices(date(2026, 1, 1), date(2026, 10, 31), seed=1))
run = imports.import_file([data], agency=agency, filename="one.csv")
assert run.state == "completed" and run.created
"""
LOOK = """
import django; django.setup()
from ismp.accounts.models import Account
from ismp.hours.models import Record
numbers = sorted(account.national_id for account in Account.objects.exclude(encrypted_id=None))
print(Account.objects.count(), Record.objects.count(), hash(tuple(numbers)))
"""


def test_every_row_comes_over_and_the_trail_is_whole(small_site):
    place, target = small_site
    place.environment["PYTHONHASHSEED"] = "0"
    before = place.script(LOOK)
    there = {"DATABASE_URL": target}
    place.environment |= there
    done = place.python("manage.py", "copy_database", place.home / "ismp.sqlite3")
    assert done.returncode == 0, done.stderr
    assert "每一張表都與原來相同" in done.stdout
    assert place.script(LOOK) == before
    assert place.python("manage.py", "verify_trail").returncode == 0
    added = place.python("-c", ONE_MORE)
    assert added.returncode == 0, added.stderr  # the sequences go on behind what was copied
    again = place.python("manage.py", "copy_database", place.home / "ismp.sqlite3")
    assert (again.returncode, "已經有資料" in again.stderr) == (1, True)


ONE_MORE = """
import django; django.setup()
from ismp.accounts.models import Agency
Agency.objects.create(code="382999999Z", name="新機關")
"""


def test_what_cannot_be_copied_is_refused_with_a_sentence(small_site):
    place, target = small_site
    here = place.python("manage.py", "copy_database", place.home / "ismp.sqlite3")
    assert (here.returncode, "不是 PostgreSQL" in here.stderr) == (1, True)
    place.environment["DATABASE_URL"] = target
    none = place.python("manage.py", "copy_database", place.home / "none.sqlite3")
    assert (none.returncode, "找不到" in none.stderr) == (1, True)
