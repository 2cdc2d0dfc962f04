"""Who handles advisories in these tests."""

import pytest


@pytest.fixture
def platform(account):
    return account("IC1001", "platform_admin")


@pytest.fixture
def handler(account):
    return account("EP1001", "agency_admin")
