"""The plans of the hot queries: the table of records is never read from end to end.

On PostgreSQL with sequential scans made dear, so that one is taken only where no index serves.
"""

from datetime import date

import polars as pl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ismp.hours.models import Record
from ismp.hours.records import totals
from ismp.hours.records.actions import records
from tests.support.portal_files import data, row
from tests.support.query_plans import plans

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
def test_totals_of_many_people_are_not_looked_for_among_themselves(account):
    """Where the statistics were made when there was nobody, as in the first month of a city."""
    people = pl.DataFrame({"account_id": range(2_000)}).with_columns(
        agency_id=pl.lit(account("IC1001").agency_id, pl.Int64),
        category=pl.lit(522),
        ended_on=pl.lit(date(2026, 1, 5)),
        hours=pl.lit(3_000, pl.Int64),
        department=pl.lit(""),
        title=pl.lit("資安"),
    )
    change = totals.Change()
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


ROWS = 3_000
LARGE = {"hours_record", "hours_recordrevision", "hours_personyear", "hours_monthlycount"}
LARGE |= {"undo_change", "import_change", "tally_change"}


@pytest.mark.postgresql
@pytest.mark.parametrize("statistics", ["never made", "made before"])
def test_no_action_on_many_records_compares_them_row_by_row(
    account, import_bytes, city, statistics
):
    """Where the statistics do not know the agency, nor its runs, they promise one row of it."""
    clerk = account("IC1001", "agency_admin")
    elsewhere = next(one for one in city if one.active and one.agency_code != clerk.agency.code)
    own = {"national_id": elsewhere.national_id, "name": elsewhere.name}
    for score in "12":
        import_bytes(
            data(*(row(**own, score=score, term=str(n)) for n in range(ROWS))),
            agency=elsewhere.agency_code,
        )
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pg_statistic")
        if statistics == "made before":
            cursor.execute("ANALYZE")
    with plans(LARGE.__contains__) as found:
        runs = [
            import_bytes(data(*(row(score=score, term=str(n)) for n in range(ROWS))))["run"]
            for score in "12"
        ]
        ours = Record.objects.visible_to(clerk).live().of_people("name", row()[1])
        deletion = records.delete(ours, reason="誤植", by=clerk)
        assert records.restore(deletion, by=clerk) == deletion.count == ROWS
        assert records.undo(runs[1], by=clerk)["restored"] == ROWS
        assert records.undo(runs[0], by=clerk)["removed"] == ROWS
    assert not found, "\n\n".join(f"{words}\n{sql}" for words, sql in found)
