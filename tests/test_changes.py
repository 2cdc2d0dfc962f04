"""異動紀錄 says what changed: before → after, from one place (`audit.changes`)."""

from datetime import date

import pytest

from ismp.accounts import keeping
from ismp.accounts.models import Service
from ismp.audit import changes
from ismp.audit.models import Event

pytestmark = pytest.mark.django_db


def test_an_edit_shows_before_and_after_on_the_history_page(client, account):
    admin, person = account("IC1001", "agency_admin"), account("IC1002", "staff")
    person.email, person.name = "new@example.test", "新名"
    old_name = type(person).objects.get(pk=person.pk).name
    keeping.save_account(person, by=admin)
    client.force_login(admin)
    page = client.get(f"/manage/accounts/{person.pk}/history/").content.decode()
    assert f"姓名 {old_name} → 新名" in page
    assert "→ new@example.test" in page


def test_a_national_id_is_named_but_never_shown(account):
    person = account("IC1002", "staff")
    before = changes.stored(person)
    person.national_id = "A123456789"
    assert changes.between(before, person) == [("身分證字號", "（不顯示）", "（不顯示）")]


def test_choices_and_days_read_as_people_say_them(account):
    entry = account("IC1002", "staff").services.first()
    before = Service.objects.get(pk=entry.pk)
    entry.status, entry.since = "left", date(2026, 3, 1)
    found = {title: (old, new) for title, old, new in changes.between(before, entry)}
    assert found["狀態"] == ("在職", "離職")
    assert found["生效日"][1] == "2026-03-01"


def test_days_are_shown_in_the_republics_years(client, account):
    from ismp.portal.manage import changed_in_words

    assert changed_in_words("汰換日期", "2026-12-31", "") == "汰換日期 115-12-31 → （空白）"


def test_nothing_changed_leaves_no_change(account):
    admin, person = account("IC1001", "agency_admin"), account("IC1002", "staff")
    keeping.save_account(person, by=admin)
    assert Event.objects.get(verb="save_account").detail["changes"] == []
