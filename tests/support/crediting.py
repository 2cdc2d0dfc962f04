"""Hours that a course of the platform credits."""

from datetime import date

from ismp.accounts.models import Account
from ismp.hours.records.actions import crediting
from ismp.hours.records.actions.crediting import Credit
from tests.support import scenarios


def credit(username="a-wang", **changes):
    account = Account.objects.select_related("agency", "department").get(username=username)
    facts = {
        "account": account,
        "category": 522,
        "organizer_code": scenarios.AGENCY_A,
        "organizer_name": "測試市政府資訊局",
        "title": "資通安全概論",
        "term": "1",
        "started_on": date(2026, 1, 5),
        "ended_on": date(2026, 1, 6),
        "digital_hours": 3000,
        "score": "90",
    } | changes
    return crediting.credit([Credit(**facts)], about="線上課程：資通安全概論", by=clerk())[0]


def clerk():
    return Account.objects.get(username="a-xu")
