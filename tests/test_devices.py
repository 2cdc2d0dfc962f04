"""管制設備: what falls under the list, what becomes of it, and the yearly signature."""

from datetime import date, timedelta

import pypdfium2
import pytest
from django.utils import timezone

from ismp.audit.trail import NotPossible
from ismp.security import devices, products
from ismp.security.models import Campaign, Decision, Device, RestrictedProduct

PATTERNS = {
    1: ("海康威視", ""),
    2: ("Hikvision", ""),
    3: ("TP-Link", ""),
    4: ("vivo", ""),
    5: ("大華", "DH-*"),
    6: ("小米", ""),
    7: ("小米", "Redmi*"),
    8: ("ZTE", ""),
}
# brand as written, model → the pattern, or None
PRODUCTS = [
    ("海康威視", "DS-2CD2042", 1),
    ("HIKVISION", "x", 2),
    ("Hikvision 海康威視", "x", 1),
    ("ＨＩＫＶＩＳＩＯＮ", "", 2),
    ("TP-Link", "Archer C6", 3),
    ("TP Link", "", 3),
    ("TPLINK", "", 3),
    ("tp－link 普聯", "", 3),
    ("vivo", "Y20", 4),
    ("VIVOTEK", "FD9360", None),
    ("Vivo 手機", "", 4),
    ("大華", "DH-IPC", 5),
    ("大華", "dh ipc hfw", 5),
    ("大華", "XVR", None),
    ("小米", "Redmi Note", 7),
    ("小米", "Mi 11", 6),
    ("小米科技", "", 6),
    ("ASUS", "ZTE-100", None),
    ("zte corporation", "", 8),
    ("AZTEC", "", None),
    ("", "", None),
]


@pytest.mark.parametrize(("brand", "model", "expected"), PRODUCTS)
def test_products_against_the_list(brand, model, expected):
    found = products.match([(brand, model)], PATTERNS)
    assert found.get((brand, model)) == expected


def test_patterns_are_text_and_not_expressions():
    assert products.match([("a(b", "c+d")], {1: ("a(b", "c+*")}) == {("a(b", "c+d"): 1}
    assert products.match([("axb", "c")], {1: ("a.b", "")}) == {}


pytestmark = pytest.mark.django_db


def device(agency, number="A-001", brand="Hikvision", **more):
    return Device(
        agency=agency, asset_no=number, kind="hardware", brand=brand, network="official", **more
    )


@pytest.fixture
def handler(account):
    return account("EP1001", "agency_admin")


@pytest.fixture
def approver(account):
    return account("IC1001", "platform_admin")


@pytest.fixture
def listed(approver):
    product = RestrictedProduct(
        brand="Hikvision", letter="示範字第1號", issued_on=date(2025, 3, 31)
    )
    devices.restrict([product], by=approver)
    return RestrictedProduct.objects.get()


def test_a_device_on_the_list_asks_for_a_decision(handler, listed):
    held = devices.save_device(device(handler.agency), by=handler)
    assert held.restriction == listed
    assert devices.figures_of(handler.agency)["undecided"] == 1
    day = timezone.localdate() + timedelta(days=30)
    devices.decide(held, kind="retire", retire_by=day, by=handler)
    held.refresh_from_db()
    assert held.retire_by == day
    assert devices.figures_of(handler.agency)["undecided"] == 0
    assert devices.retire(Device.objects.all(), on=timezone.localdate(), by=handler) == 1
    assert devices.figures_of(handler.agency)["in_use"] == 0


def test_keeping_needs_reason_measure_expiry_and_another_person(handler, approver, listed):
    held = devices.save_device(device(handler.agency), by=handler)
    expiry = timezone.localdate() + timedelta(days=90)
    with pytest.raises(NotPossible, match="理由、補償措施"):
        devices.decide(held, kind="keep", reason="業務需要", by=handler)
    whole = {"reason": "業務需要", "measure": "獨立網段", "expires_on": expiry}
    decision = devices.decide(held, kind="keep", **whole, by=handler)
    assert devices.figures_of(handler.agency)["undecided"] == 1
    with pytest.raises(NotPossible, match="與您自己有關"):
        devices.approve(decision, accept=True, comment="", by=handler)
    devices.approve(decision, accept=True, comment="", by=approver)
    assert devices.figures_of(handler.agency)["undecided"] == 0
    with pytest.raises(NotPossible, match="已經有人決定"):
        devices.approve(decision, accept=False, comment="x", by=approver)
    assert Device.objects.all().undecided(expiry + timedelta(days=1)).get() == held


def test_the_list_reaches_what_stands_there_and_lets_go_again(handler, approver, listed):
    kept = devices.save_device(device(handler.agency, brand="ＴＰ-Link"), by=handler)
    assert kept.restriction is None
    product = RestrictedProduct(brand="TP-Link", letter="示範字第2號", issued_on=date(2026, 1, 1))
    devices.restrict([product], by=approver)
    kept.refresh_from_db()
    assert kept.restriction.brand == "TP-Link"
    assert handler.notices.get(kind="device").subject.startswith("有設備列入")
    devices.restrict([product], by=approver)
    assert RestrictedProduct.objects.count() == 2
    devices.lift(kept.restriction, on=timezone.localdate() - timedelta(days=1), by=approver)
    kept.refresh_from_db()
    assert kept.restriction is None


def test_the_yearly_inventory_is_signed_once_and_only_when_all_is_decided(
    handler, approver, listed
):
    due = timezone.localdate() + timedelta(days=30)
    campaign = devices.open_campaign(year=115, due_on=due, by=approver)
    held = devices.save_device(device(handler.agency), by=handler)
    with pytest.raises(NotPossible, match="還有 1 項"):
        devices.sign_off(campaign, agency=handler.agency, by=handler)
    devices.decide(held, kind="retire", retire_by=due, by=handler)
    signed = devices.sign_off(campaign, agency=handler.agency, by=handler)
    assert signed.figures["restricted"] == 1 and len(signed.digest) == 64
    with pytest.raises(NotPossible, match="已經簽署"):
        devices.sign_off(campaign, agency=handler.agency, by=handler)
    with pytest.raises(NotPossible, match="已經開始"):
        devices.open_campaign(year=115, due_on=due, by=approver)
    assert Campaign.objects.get().sign_offs.count() == 1


def test_another_agencys_devices_are_not_there(handler, approver, account, listed):
    devices.save_device(device(handler.agency), by=handler)
    stranger = account("CU1001", "agency_admin")
    assert not Device.objects.visible_to(stranger).exists()
    assert Device.objects.visible_to(handler).exists()
    assert Device.objects.visible_to(approver).exists()
    assert not Device.objects.visible_to(account("EP1003")).exists()


def test_two_hundred_patterns_against_many_devices_look_at_each_product_once(handler, approver):
    """A thousand devices of twenty products: as many looks as products, a statement a change."""
    Device.objects.bulk_create(
        device(handler.agency, f"B-{n:05}", brand=f"brand{n % 20}") for n in range(1000)
    )
    listed = [
        RestrictedProduct(brand=f"brand{n}", letter="示範", issued_on=date(2026, 1, 1))
        for n in range(10, 210)
    ]
    products.fold.cache_clear()
    assert devices.restrict(listed, by=approver) == 500
    assert Device.objects.restricted().count() == 500
    assert Decision.objects.count() == 0


def test_the_signed_form_names_who_signed_what(handler, approver, listed, client):
    due = timezone.localdate() + timedelta(days=30)
    campaign = devices.open_campaign(year=115, due_on=due, by=approver)
    signed = devices.sign_off(campaign, agency=handler.agency, by=handler)
    client.force_login(handler)
    answer = client.get(f"/manage/campaigns/form/{signed.pk}/")
    text = pypdfium2.PdfDocument(answer.content)[0].get_textpage().get_text_range()
    assert "115 年度管制設備盤點簽署表" in text and handler.agency.name in text
    assert signed.digest in text.replace("\r\n", "")
