"""The plans of the hot queries: the table of records is never read from end to end.

On PostgreSQL with sequential scans made dear, so that one is taken only where no index serves.
"""

from datetime import date

import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from files import data, row

from ismp.hours import tallies

pytestmark = pytest.mark.django_db
LIST, ALL = "/manage/learning-map/agency-hours/", "/manage/learning-map/hours/"
PERIOD = "start=110-01-01&end=115-12-31"
PAGES = [
    LIST,
    f"{LIST}?page=2&per_page=20",
    f"{LIST}?{PERIOD}&field=username&q=IC1",
    f"{LIST}?{PERIOD}&field=name&q=%E9%99%B3",
    f"{LIST}?{PERIOD}&field=title&q=%E8%B3%87",
    f"{LIST}?{PERIOD}&field=department&q=%E7%A7%91",
    ALL,
    f"{ALL}?{PERIOD}&page=2&per_page=20",
    f"{ALL}?{PERIOD}&field=title&q=%E8%B3%87",
    f"{ALL}?{PERIOD}&field=username&q=IC1",
    "/",
    "/my/hours/",
    "/manage/learning-map/board/",
    "/manage/learning-map/city/",
]


@pytest.mark.parametrize("address", PAGES)
def test_no_page_reads_all_records(client, account, import_bytes, address):
    import_bytes(data(*(row(term=str(n)) for n in range(60))))
    client.force_login(account("IC1001", "platform_admin"))
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    asked = [one["sql"] for one in queries if '"hours_record"' in one["sql"]]
    for sql in asked:
        if sql.startswith("SELECT"):
            assert not scans(sql), sql
    if address in {LIST, "/my/hours/"}:
        assert asked  # so there was something to look at


def scans(sql):
    """The lines of the plan that read every record."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}")
            lines = [line for (line,) in cursor.fetchall()]
            return [line for line in lines if "Seq Scan on hours_record" in line]
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        lines = [line[3] for line in cursor.fetchall()]
        return [line for line in lines if line == "SCAN hours_record"]


@pytest.mark.postgresql
def test_tallies_of_many_people_are_not_looked_for_among_themselves(account):
    """Where the statistics were made when there was nobody, as in the first month of a city."""
    people = pl.DataFrame({"account_id": range(2_000)}).with_columns(
        agency_id=pl.lit(account("IC1001").agency_id, pl.Int64),
        category=pl.lit(522),
        ended_on=pl.lit(date(2026, 1, 5)),
        hours=pl.lit(3_000, pl.Int64),
        department=pl.lit(""),
        title=pl.lit("資安"),
    )
    change = tallies.Change()
    change.add_loaded(people)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE hours_personyear")
        cursor.execute("ANALYZE hours_personyear")
        before = _sequential_scans(cursor)  # of earlier tests too, which it has not handed on yet
        change.take_effect()
        assert _sequential_scans(cursor) - before < 10
        cursor.execute("SELECT count(*) FROM hours_personyear WHERE live = 1")
        assert cursor.fetchone()[0] == 2_000


def _sequential_scans(cursor):
    cursor.execute(
        "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'hours_personyear'"
    )
    return cursor.fetchone()[0]
