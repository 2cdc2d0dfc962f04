"""Random files one after another: the product and the oracle must say the same, each time.

What a trial predicts is what the import then does.
"""

import oracle
import pytest
import world
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import outcome, records_of, take, told

pytestmark = pytest.mark.django_db

PEOPLE = [world.WANG, world.XU, world.WANG_KUN, world.RUAN, world.LEFT, world.OF_B]
CHANGES = {
    "national_id": ["", "A123456788", "A12345****", world.NOBODY, world.WANG.lower()],
    "name": ["", "王小明", "許?蓋", "某人", "王 堃"],
    "category": ["523", "501", "", "資通安全（通識）", "522資通安全(通識)"],
    "title": ["", "資通安全概論", " 資通安全概論", "=1+1", "許功蓋", '他說"好"', "甲,乙"],
    "started_on": ["1150105", "115/1/7", "1150229", "", "民國115年1月4日", "113-12-31"],
    "ended_on": ["115-01-05", "115.01.06", "999-01-01", "x"],
    "total": ["3.0", "4", "", "NaN", "１.５", "1,000"],
    "digital_hours": ["", "0", "1.5", "2", "-1", "49"],
    "classroom_hours": ["", "0", "1", "1.5"],
    "unit": ["小時", "2", "", "學分"],
    "score": ["", "90", "95"],
    "term": ["1", "2", ""],
}


@st.composite
def rows(draw):
    """A good row of somebody, with up to three cells changed."""
    person = draw(st.sampled_from(PEOPLE))
    changes = {"national_id": person, "name": world.PEOPLE.get(person, "某人")}
    for name in draw(st.lists(st.sampled_from(list(CHANGES)), max_size=3, unique=True)):
        changes[name] = draw(st.sampled_from(CHANGES[name]))
    return world.row(**changes)


@st.composite
def portal_files(draw):
    """The bytes of a file of up to eight rows, written in one of the ways files are written."""
    text = world.table(
        draw(st.lists(rows(), min_size=1, max_size=8)),
        sep=draw(st.sampled_from(",;\t")),
        newline=draw(st.sampled_from(["\r\n", "\n", "\r"])),
        quote=draw(st.sampled_from(["minimal", "all"])),
        end=draw(st.booleans()),
    )
    codec, bom = draw(st.sampled_from([("utf-8", False), ("utf-8", True), ("utf-16-le", True)]))
    return world.encode(text, codec, bom=bom)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=st.lists(portal_files(), min_size=1, max_size=4))
def test_product_and_oracle_agree_file_after_file(cities, files):
    with transaction.atomic():
        store = {}
        for data in files:
            before = records_of(world.AGENCY_A)
            trial = take(data, dry_run=True)
            assert records_of(world.AGENCY_A) == before
            run = take(data)
            answer = oracle.import_file(
                data,
                agency=world.AGENCY_A,
                accounts=list(world.ROSTER),
                store=store,
                today=world.TODAY,
            )
            assert outcome(run) == told(answer)
            assert outcome(trial) == outcome(run)
            assert len(records_of(world.AGENCY_A)) == len(store) == len(before) + run.created
        transaction.set_rollback(True)
