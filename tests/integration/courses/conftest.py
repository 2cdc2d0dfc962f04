"""People who take courses."""

import pytest


@pytest.fixture
def person(account):
    return account("IC1001")


@pytest.fixture
def people(account):
    return [account(f"IC10{number:02}") for number in range(1, 5)]
