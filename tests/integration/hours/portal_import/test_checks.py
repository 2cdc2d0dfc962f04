"""The rule book, row by row: each value and the code it gets (docs/explain/contracts.md)."""

import pytest

from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
CASES = [
    ({}, None),
    ({"national_id": ""}, "id-missing"),
    ({"national_id": "A123456780"}, "id-invalid"),
    ({"national_id": "A12345****"}, "id-invalid"),
    ({"national_id": "F123456784"}, "no-account"),
    ({"title": "名" * 2001}, "too-long"),
    ({"title": "名" * 2000}, None),
    ({"title": " 　"}, "required"),
    ({"started_on": ""}, "required"),
    ({"ended_on": ""}, "required"),
    ({"category": ""}, "required"),
    ({"total": "", "digital_hours": "", "classroom_hours": ""}, "required"),
    ({"category": "501"}, "category"),
    ({"category": "資通安全(通識)"}, None),
    ({"category": "資通安全（通識）"}, None),
    ({"category": "523 資通安全（專業、職能）"}, None),
    ({"category": "522 資通安全(專業、職能)"}, "category"),
    *(
        ({"started_on": day, "ended_on": day}, None)
        for day in (
            "1150101",
            "115-01-05",
            "115/1/5",
            "115.01.05",
            "民國115年1月5日",
            "990101",
            "0990101",
            "1130229",
            "2026-01-05",
            "2026/1/5",
            "１１５-０１-０５",
            "115-01-05 09:00",
            "115-11-24 08:00:00",
        )
    ),
    *(
        ({"started_on": day}, "date-invalid")
        for day in (
            "1150229",
            "01/05/2026",
            "115-13-01",
            "46000",
            "79-12-31",
            "今天",
        )
    ),
    ({"started_on": "115-01-07"}, "date-order"),
    ({"started_on": "115-01-01", "ended_on": "200-01-01"}, "date-future"),
    ({"started_on": "114-12-31", "ended_on": "115-01-02"}, None),
    *(
        ({"digital_hours": n, "classroom_hours": "", "total": ""}, None)
        for n in (
            "3",
            "3.0",
            "３",
            "0",
            "0.05",
            '="3"',
            " 3 ",
        )
    ),
    *(
        ({"digital_hours": n, "classroom_hours": "", "total": ""}, "hours-invalid")
        for n in (
            "-3",
            "NaN",
            "1e309",
            "1_000",
            "1,000",
            "9" * 400,
            "3小時",
            "49",
            "٣",
        )
    ),
    ({"digital_hours": "", "classroom_hours": "", "unit": "2"}, "unit"),
    ({"digital_hours": "", "classroom_hours": "", "unit": "天"}, "unit"),
    ({"digital_hours": "", "classroom_hours": "", "unit": "學分"}, "unit"),
    ({"digital_hours": "", "classroom_hours": "", "unit": "小時"}, None),
    ({"unit": "2"}, None),
    ({"total": "4"}, "hours-sum"),
    ({"total": "3.5", "digital_hours": "1.4", "classroom_hours": "2.1"}, None),
]


@pytest.mark.parametrize(("changes", "code"), CASES, ids=[str(i) for i in range(len(CASES))])
def test_a_row_gets_the_first_code_that_applies(import_bytes, changes, code):
    result = import_bytes(data(row(**changes), encoding="utf-8"))
    assert result["state"] == "completed"
    assert [r["code"] for r in result["rejections"]] == ([code] if code else [])
    assert result["total"] == 1 == result["created"] + result["rejected"]


def test_repeats_in_a_file(import_bytes):
    result = import_bytes(data(row(), row(), row(score="90"), row(term="2")))
    codes = [(r["line"], r["code"]) for r in result["rejections"]]
    assert codes == [(3, "duplicate-in-file"), (4, "conflict-in-file")]
    assert (result["total"], result["created"], result["rejected"]) == (4, 2, 2)
