"""Folding: compared in one form, shown as it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ismp.accounts.agencies import fold_code
from ismp.ui.text.search_folding import key, one_line

SAME = [
    "資安課程",
    "資安\u200b課程",
    "\ufeff資安課程",
    "資安課程\u00ad",
    "  資安課程\r\n",
    "資\u2060安課程",
]


@pytest.mark.parametrize("text", SAME)
def test_a_key_knows_no_invisible_character(text):
    assert key(text) == "資安課程"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("１", "1"),
        ("Cafe\u0301", "Café"),
        ("Cafe\u200b\u0301", "Café"),
        ("甲\u3000 乙", "甲 乙"),
        ("ｱﾌﾟ", "アプ"),
    ],
)
def test_a_key_is_half_width_and_composed(text, folded):
    assert key(text) == folded


@given(st.text())
def test_a_key_of_a_key_and_a_line_of_a_line_are_the_same(text):
    assert key(key(text)) == key(text)
    assert one_line(one_line(text)) == one_line(text)


def test_what_is_shown_keeps_its_width_and_its_variants():
    assert one_line("ＡＢＣ\r\n葛\U000e0100\u200b") == "ＡＢＣ 葛\U000e0100"


@pytest.mark.parametrize(
    "text",
    [
        "382990100A",
        "382990100a",
        "３８２９９０１００Ａ",
        '="382990100A"',
        " 382990100\u200bA ",
        '="382990100a" ',
    ],
)
def test_a_code_is_one_code_however_it_is_written(text):
    assert fold_code(text) == "382990100A"
