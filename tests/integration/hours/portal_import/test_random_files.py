"""Random files one after another: the product and the oracle must say the same, each time.

What a trial predicts is what the import then does.  A file damaged at random is taken or refused.
"""

import contextlib
import zipfile

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from ismp.accounts.models import Account
from ismp.audit.models import Event
from ismp.hours.models import Deletion, Record
from ismp.hours.records.actions import records
from ismp.imports.models import ImportRun
from tests.support import oracle, oracle_reading, scenarios
from tests.support.laws import announced, outcome, records_of, take, totals_are_true

pytestmark = pytest.mark.django_db

PEOPLE = [
    scenarios.WANG,
    scenarios.XU,
    scenarios.WANG_KUN,
    scenarios.RUAN,
    scenarios.LEFT,
    scenarios.OF_B,
]
CHANGES = {
    "national_id": ["", "A123456788", "A12345****", scenarios.NOBODY, scenarios.WANG.lower()],
    "name": ["", "王小明", "許?蓋", "某人", "王 堃"],
    "category": ["523", "501", "", "資通安全（通識）", "522資通安全(通識)", "-522"],
    "title": [
        "",
        "資通安全概論",
        " 資通安全概論",
        "資通安全\u200b概論",
        "Cafe\u0301",
        "Caf\u00e9",
        "=1+1",
        "許功蓋",
        '他說"好"',
        "甲,乙",
    ],
    "started_on": ["1150105", "115/1/7", "1150229", "", "民國115年1月4日", "113-12-31"],
    "ended_on": ["115-01-05", "115.01.06", "999-01-01", "x"],
    "total": ["3.0", "4", "", "NaN", "１.５", "1,000", "1 2"],
    "digital_hours": ["", "0", "1.5", "2", "-1", "49"],
    "classroom_hours": ["", "0", "1", "1.5"],
    "unit": ["小時", "2", "", "學分"],
    "score": ["", "90", "95"],
    "term": ["1", "2", "", "１"],
    "organizer_code": ["382000000A", "382000000a", "３８２０００００0A"],
}
WRITINGS = [("cp950", False), ("utf-8", False), ("utf-8", True), ("utf-16-le", True), ("utf-16-be", False)]  # fmt: skip
DELETE, RESTORE, UNDO = "delete everything of this agency", "restore it", "undo the last import"


@st.composite
def rows(draw):
    """A good row of somebody, with up to three cells changed."""
    person = draw(st.sampled_from(PEOPLE))
    changes = {"national_id": person, "name": scenarios.PEOPLE.get(person, "某人")}
    for name in draw(st.lists(st.sampled_from(list(CHANGES)), max_size=3, unique=True)):
        changes[name] = draw(st.sampled_from(CHANGES[name]))
    return scenarios.row(**changes)


@st.composite
def portal_files(draw):
    """The bytes of a file of up to eight rows, written in one of the ways files are written."""
    text = scenarios.table(
        draw(st.lists(rows(), min_size=1, max_size=8)),
        sep=draw(st.sampled_from(",;\t")),
        newline=draw(st.sampled_from(["\r\n", "\n", "\r"])),
        quote=draw(st.sampled_from(["minimal", "all"])),
        end=draw(st.booleans()),
    )
    codec, bom = draw(st.sampled_from(WRITINGS))
    if codec == "cp950":
        return text.encode(codec, "replace")  # as the portal writes characters it cannot
    return scenarios.encode(text, codec, bom=bom)


def answer_of_oracle(data, store):
    return oracle.import_file(
        data,
        agency=scenarios.AGENCY_A,
        accounts=list(scenarios.ROSTER),
        store=store,
        today=scenarios.TODAY,
    )


@given(
    steps=st.lists(
        portal_files() | st.sampled_from([DELETE, RESTORE, UNDO]), min_size=2, max_size=5
    )
)
def test_the_totals_are_true_after_any_actions(cities, steps):
    clerk = Account.objects.get(username="a-wang")
    with transaction.atomic():
        for step in steps:
            if step == DELETE:
                records.delete(Record.objects.all(), reason="試", by=clerk)
            elif step == RESTORE:
                for deletion in Deletion.objects.all():
                    with contextlib.suppress(records.ActionRefused):
                        records.restore(deletion, by=clerk)
            elif step == UNDO:
                with contextlib.suppress(records.ActionRefused):
                    records.undo(ImportRun.objects.latest("pk"), by=clerk)
            else:
                take(step)
            totals_are_true()
        transaction.set_rollback(True)


@given(steps=st.lists(portal_files() | st.just(DELETE), min_size=1, max_size=4))
def test_product_and_oracle_agree_file_after_file(cities, steps):
    others = records_of(scenarios.AGENCY_B)
    clerk = Account.objects.get(username="a-wang")
    with transaction.atomic():
        store = {}
        for step in steps:
            before = records_of(scenarios.AGENCY_A)
            if step == DELETE:
                records.delete(Record.objects.filter(agency=clerk.agency), reason="試", by=clerk)
                store.clear()
                assert not records_of(scenarios.AGENCY_A)
                continue
            trial = take(step, dry_run=True)
            assert records_of(scenarios.AGENCY_A) == before
            run = take(step)
            assert outcome(run) == announced(answer_of_oracle(step, store))
            assert outcome(trial) == outcome(run)
            assert run.total == oracle_reading.count_rows(step)
            assert len(records_of(scenarios.AGENCY_A)) == len(store) == len(before) + run.created
            assert records_of(scenarios.AGENCY_B) == others
        transaction.set_rollback(True)


GOOD = [scenarios.row(term=term, title='許功蓋 "甲"') for term in "1234"]
WHOLE = [
    scenarios.file(*GOOD),
    scenarios.file(*GOOD, quote="all", newline="\n"),
    scenarios.encode(scenarios.table(GOOD), "utf-8"),
    scenarios.encode(scenarios.table(GOOD, sep="\t"), "utf-16-le", bom=True),
    *(
        scenarios.zip_plain({"a.csv": scenarios.file(*GOOD)}, method=method)
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    ),
    scenarios.zip_aes({"a.csv": scenarios.file(*GOOD)}, "Abc12345"),
    scenarios.zip_crypto("a.csv", scenarios.file(*GOOD), "Abc12345"),
]  # fmt: skip


@st.composite
def damaged_files(draw):
    """A good file or archive with a few bytes changed, lost or put in, as transports do."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data) - 1))
        lost = draw(st.integers(0, 3))
        data[place : place + lost] = draw(st.sampled_from(SCRAPS) | st.binary(max_size=3))
    return bytes(data)


SCRAPS = [b'"', b",", b"\r", b"\n", b"\0", b"\x1a", b"\xff", b"\x81", "\u2028".encode()]


@settings(max_examples=2 * settings.default.max_examples)
@given(data=damaged_files())
def test_a_damaged_file_is_taken_or_refused_never_a_fault_of_ours(cities, data):
    with transaction.atomic():
        run = take(data, password="Abc12345")
        assert run.state in {"completed", "refused"}
        assert bool(run.reason) == (run.state == "refused")
        assert len(records_of(scenarios.AGENCY_A)) == run.created == run.total - run.rejected
        assert Event.objects.filter(verb="import_hours", subject=f"run:{run.pk}").count() == 1
        transaction.set_rollback(True)
