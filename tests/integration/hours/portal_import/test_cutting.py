"""A file is cut the same way wherever its pieces end."""

import random

import polars as pl
import pytest

from ismp.hours.portal_import import reading as portal_reading
from ismp.imports import archives, kinds
from ismp.ui.reading.faults import FileRejected
from tests.support.corpus import CASES


def read(pieces):
    try:
        table = portal_reading.read(pieces, kinds.limits())
        return pl.concat(table.slices).rows(), table.ignored
    except FileRejected as refusal:
        return str(refusal)


PLAIN = [case for case in CASES if not archives.is_zip(case.data)]


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_pieces_of_any_size(case):
    whole = read([case.data])
    for seed in range(5):
        rest, pieces, choose = case.data, [], random.Random(seed)
        while rest:
            size = choose.choice([1, 7, 60, 400, 5000])
            pieces.append(rest[:size])
            rest = rest[size:]
        assert read(pieces) == whole
