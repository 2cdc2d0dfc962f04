"""The records partitioned by agency (deploy/partition-records.sql): the same code, the same outcome."""

import pytest
from django.db import connection

from ismp.hours.models import Record
from tests.support import ROOT, scenarios
from tests.support.file_stories import STORIES, follow
from tests.support.laws import take
from tests.support.scenarios import file, row

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]
SCRIPT = ROOT / "deploy" / "partition-records.sql"
CONSTRAINTS = """
    SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = 'hours_record'::regclass AND contype <> 'p' ORDER BY conname
"""
INDEXES = """
    SELECT indexname, regexp_replace(indexdef, ' ON (ONLY )?public.hours_record ', ' ON ')
    FROM pg_indexes
    WHERE tablename = 'hours_record' AND indexname <> 'hours_record_pkey' ORDER BY indexname
"""


def ask(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.fixture
def partitioned(cities):
    """With the records that stood there before."""
    before = list(Record.objects.values()), ask(CONSTRAINTS), ask(INDEXES)
    with connection.cursor() as cursor:
        cursor.execute(SCRIPT.read_text("utf-8"))
    assert (list(Record.objects.values()), ask(CONSTRAINTS), ask(INDEXES)) == before


@pytest.mark.parametrize("story", STORIES)
def test_files_that_come_again(partitioned, story):
    follow(STORIES[story])


def test_each_agency_stands_in_one_partition(partitioned):
    assert take(file(row(), row(term="2"))).created == 2
    places = ask("SELECT DISTINCT agency_id, tableoid::regclass::text FROM hours_record")
    assert len(places) == 2
    assert all(name.startswith("hours_record_") for _, name in places)
    assert len({agency for agency, _ in places}) == 2


def test_a_list_of_one_agency_reads_one_partition(partitioned):
    agency = Record.objects.get(agency__code=scenarios.AGENCY_B).agency
    page = Record.objects.live().of_agency(agency).newest_first()[:50]
    plan = page.explain()
    assert plan.count("hours_record_") == plan.count("Scan") == 1 or "Bitmap" in plan, plan
