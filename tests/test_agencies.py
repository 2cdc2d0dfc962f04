"""機關: one code, however it is written; what becomes of an agency, and from which day on."""

import pytest
from django.db import IntegrityError, transaction

from ismp.accounts.agencies import fold_code
from ismp.accounts.models import Agency


@pytest.mark.parametrize(
    "typed",
    [
        "382990100a",
        "３８２９９０１００Ａ",
        " 3829\u200b90100A\ufeff",
        '="382990100a"',
        "382990100A\r",
    ],
)
def test_a_code_is_the_same_in_any_case_width_and_wrapping(typed):
    assert fold_code(typed) == "382990100A"


@pytest.mark.django_db
def test_the_database_knows_a_code_in_one_case_only():
    agency = Agency.objects.create(code="382990100A", name="甲")
    with pytest.raises(IntegrityError), transaction.atomic():
        Agency.objects.create(code="382990100a", name="甲又")
    assert Agency.objects.find("３８２９９０１００ａ") == agency
    assert Agency.objects.find("") is None
