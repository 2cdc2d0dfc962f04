"""The engine of the rule books: the first reason wins, whether of rows or of columns."""

from dataclasses import dataclass, field

import polars as pl
import pytest

from ismp.ui import reading
from ismp.ui.reading import row_checks
from ismp.ui.reading.column_checks import ColumnCheck, first_code
from ismp.ui.reading.faults import NORMAL, OURS, YOURS
from ismp.ui.reading.raw import Limits
from ismp.ui.reading.row_checks import BAD_CELL, COLUMNS, RowCheck, TableRow, first_fault

WORDS = ("句子", "怎麼辦", ("a", "b"))
FIELDS = {"編號": "number", "名稱": "name", "機關": "agency"}


@dataclass
class Line:
    number: int = 7
    cells: list[str] = field(default_factory=lambda: ["甲"])


def book(*found):
    return [
        RowCheck(f"code-{place}", YOURS, *WORDS, lambda line, _, one=one: one)
        for place, one in enumerate(found)
    ]


@pytest.mark.parametrize(
    ("found", "code", "about"),
    [
        ((None, True, "說明"), "code-1", ""),
        ((False, "說明", True), "code-1", "說明"),
        (("", True), "code-0", ""),
        ((None, False), None, None),
        ((), None, None),
    ],
)
def test_the_first_check_that_applies_is_the_reason(found, code, about):
    fault = first_fault(book(*found), Line())
    assert (fault and fault.reason.code, fault and fault.about) == (code, about)
    if fault:
        assert (fault.line, fault.cells, fault.guilty) == (7, ["甲"], ("a", "b"))


def test_a_check_is_asked_about_what_the_row_is_held_against():
    seen = RowCheck("seen", YOURS, *WORDS, lambda line, numbers: line.number in numbers)
    assert first_fault([seen], Line(), {7}).reason is seen
    assert first_fault([seen], Line(), {8}) is None


def test_not_every_column_of_a_reason_is_at_fault():
    one = RowCheck("one", YOURS, *WORDS, lambda line, _: True, lambda line: ("b",))
    assert first_fault([one], Line()).guilty == ("b",)


def test_a_shared_reason_is_found_in_the_way_of_each_book():
    own = RowCheck.from_reason(COLUMNS, lambda line, _: f"有 {len(line.cells)} 欄")
    assert (own.code, own.sentence, own.remedy) == (
        COLUMNS.code,
        COLUMNS.sentence,
        COLUMNS.remedy,
    )
    assert "（有 1 欄）" in first_fault([own], Line()).sentence


def test_a_code_stands_once():
    first, second = book(True), book(False, True)
    assert list(row_checks.by_code(second)) == ["code-0", "code-1"]
    with pytest.raises(ValueError, match="one code"):
        row_checks.by_code(first, second)


def rows(text):
    data = reading.read(text.encode(), FIELDS, required=("編號",), limits=Limits(9_999, 99, 9))
    for row in data.rows:
        yield TableRow.from_row(row, data, FIELDS, required=("名稱",), hidden=("agency",))


def test_a_row_of_a_table_is_seen_by_its_fields():
    whole, misfit, cut = rows("名稱,編號,機關\n甲  乙,1,丙\n甲,2,丙,丁\n,3\n")
    assert (whole["name"], whole.get("number"), whole["agency"]) == ("甲 乙", "1", "丙")
    assert whole.cells == ["1", "甲 乙"]
    assert [one.is_misfit for one in (whole, misfit, cut)] == [False, True, False]
    assert misfit.cells == ["甲", "2", "丙", "丁"]
    assert first_fault([BAD_CELL, COLUMNS], misfit).reason is COLUMNS


def test_a_bad_cell_comes_before_the_number_of_cells():
    row = TableRow(2, {}, [], {"編號": "A2 是 #REF!", "機關": "C2 是 #N/A"}, ("number",), False)
    fault = first_fault([COLUMNS, BAD_CELL], row)
    assert (fault.reason, fault.about) == (BAD_CELL, "A2 是 #REF!、C2 是 #N/A")
    assert fault.columns == ("number",)


def test_the_first_expression_that_applies_is_the_code():
    checks = [
        ColumnCheck("small", NORMAL, *WORDS, lambda least: pl.col("n") < least),
        ColumnCheck("odd", OURS, *WORDS, lambda _: pl.col("n") % 2 == 1),
    ]
    frame = pl.DataFrame({"n": [1, 4, 5, None]})
    assert frame.select(first_code(checks, 3)).to_series().to_list() == ["small", None, "odd", None]
