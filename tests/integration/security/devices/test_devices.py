"""管制設備: what falls under the list, what becomes of it, and the yearly signature."""

import hashlib
from datetime import date, timedelta

import pypdfium2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ismp.accounts.models import Account, Agency
from ismp.errors import ActionRefused
from ismp.security.devices import product_matching, sign_off_form
from ismp.security.devices.actions import campaigns as campaign_actions
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.models import Campaign, Decision, Device, RestrictedProduct
from ismp.security.models.devices import signing_agencies
from ismp.ui.text import roc_dates

YEAR = roc_dates.roc_year(timezone.localdate())
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
    found = product_matching.match([(brand, model)], PATTERNS)
    assert found.get((brand, model)) == expected


def test_patterns_are_text_and_not_expressions():
    assert product_matching.match([("a(b", "c+d")], {1: ("a(b", "c+*")}) == {("a(b", "c+d"): 1}
    assert product_matching.match([("axb", "c")], {1: ("a.b", "")}) == {}


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
    product_actions.restrict([product], by=approver)
    return RestrictedProduct.objects.get()


def test_a_device_on_the_list_asks_for_a_decision(handler, listed):
    held = device_actions.save_device(device(handler.agency), by=handler)
    assert held.restriction == listed
    assert campaign_actions.figures_of(handler.agency)["undecided"] == 1
    day = timezone.localdate() + timedelta(days=30)
    decision_actions.decide(held, kind="retire", retire_by=day, by=handler)
    held.refresh_from_db()
    assert held.retire_by == day
    assert campaign_actions.figures_of(handler.agency)["undecided"] == 0
    assert device_actions.retire(Device.objects.all(), on=timezone.localdate(), by=handler) == 1
    assert campaign_actions.figures_of(handler.agency)["in_use"] == 0


def test_keeping_needs_reason_measure_expiry_and_another_person(handler, approver, listed):
    held = device_actions.save_device(device(handler.agency), by=handler)
    expiry = timezone.localdate() + timedelta(days=90)
    with pytest.raises(ActionRefused, match="理由、補償措施"):
        decision_actions.decide(held, kind="keep", reason="業務需要", by=handler)
    whole = {"reason": "業務需要", "measure": "獨立網段", "expires_on": expiry}
    decision = decision_actions.decide(held, kind="keep", **whole, by=handler)
    assert campaign_actions.figures_of(handler.agency)["undecided"] == 1
    with pytest.raises(ActionRefused, match="與您自己有關"):
        decision_actions.approve(decision, accept=True, comment="", by=handler)
    decision_actions.approve(decision, accept=True, comment="", by=approver)
    assert campaign_actions.figures_of(handler.agency)["undecided"] == 0
    with pytest.raises(ActionRefused, match="已經有人決定"):
        decision_actions.approve(decision, accept=False, comment="x", by=approver)
    assert Device.objects.all().undecided(expiry + timedelta(days=1)).get() == held


def test_the_list_reaches_what_stands_there_and_lets_go_again(handler, approver, listed):
    kept = device_actions.save_device(device(handler.agency, brand="ＴＰ-Link"), by=handler)
    assert kept.restriction is None
    product = RestrictedProduct(brand="TP-Link", letter="示範字第2號", issued_on=date(2026, 1, 1))
    product_actions.restrict([product], by=approver)
    kept.refresh_from_db()
    assert kept.restriction.brand == "TP-Link"
    assert handler.notices.get(kind="device").subject.startswith("有設備列入")
    product_actions.restrict([product], by=approver)
    assert RestrictedProduct.objects.count() == 2
    product_actions.lift(kept.restriction, on=timezone.localdate() - timedelta(days=1), by=approver)
    kept.refresh_from_db()
    assert kept.restriction is None


def test_the_yearly_inventory_is_signed_once_and_only_when_all_is_decided(
    handler, approver, listed
):
    due = timezone.localdate() + timedelta(days=30)
    campaign = campaign_actions.open_campaign(year=YEAR, due_on=due, by=approver)
    held = device_actions.save_device(device(handler.agency), by=handler)
    with pytest.raises(ActionRefused, match="還有 1 項"):
        campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    decision_actions.decide(held, kind="retire", retire_by=due, by=handler)
    signed = campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    assert signed.figures["restricted"] == 1 and len(signed.digest) == 64
    with pytest.raises(ActionRefused, match="已經簽署"):
        campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    with pytest.raises(ActionRefused, match="已經開始"):
        campaign_actions.open_campaign(year=YEAR, due_on=due, by=approver)
    assert Campaign.objects.get().sign_offs.count() == 1


def test_another_agencys_devices_are_not_there(handler, approver, account, listed):
    device_actions.save_device(device(handler.agency), by=handler)
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
    product_matching.fold.cache_clear()
    assert product_actions.restrict(listed, by=approver) == 500
    assert Device.objects.restricted().count() == 500
    assert Decision.objects.count() == 0


def test_the_signed_form_names_who_signed_what(handler, approver, listed, client):
    due = timezone.localdate() + timedelta(days=30)
    campaign = campaign_actions.open_campaign(year=YEAR, due_on=due, by=approver)
    signed = campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    client.force_login(handler)
    answer = client.get(f"/manage/campaigns/form/{signed.pk}/")
    text = pypdfium2.PdfDocument(answer.content)[0].get_textpage().get_text_range()
    assert f"{YEAR} 年度管制設備盤點簽署表" in text and handler.agency.name in text
    assert signed.digest in text.replace("\r\n", "")


# --- What was decided stays ----------------------------------------------------------------------


def kept(held, by, **changes):
    whole = {"reason": "業務需要", "measure": "獨立網段"}
    whole["expires_on"] = timezone.localdate() + timedelta(days=90)
    return decision_actions.decide(held, kind="keep", **whole | changes, by=by)


@pytest.fixture
def held(handler, listed):
    return device_actions.save_device(
        device(handler.agency, bought_on=date(2020, 5, 1)), by=handler
    )


def test_a_decided_day_is_not_edited_but_decided_anew(client, handler, held):
    today = timezone.localdate()
    decision_actions.decide(held, kind="retire", retire_by=today + timedelta(days=9), by=handler)
    held.refresh_from_db()
    held.retire_by = today + timedelta(days=400)
    with pytest.raises(ActionRefused, match="限期汰換"):
        device_actions.save_device(held, by=handler)
    decision_actions.decide(held, kind="retire", retire_by=today + timedelta(days=400), by=handler)
    assert not Device.objects.all().overdue(today + timedelta(days=10)).exists()
    assert Device.objects.all().overdue(today + timedelta(days=401)).exists()
    client.force_login(handler)
    page = client.get(f"/manage/devices/{held.pk}/history/").content.decode()
    assert "預計汰換日期" in page and "→" in page


def test_what_may_be_kept_is_not_overdue_until_its_exception_ends(handler, approver, held):
    today = timezone.localdate()
    decision_actions.decide(held, kind="retire", retire_by=today + timedelta(days=9), by=handler)
    decision_actions.approve(kept(held, handler), accept=True, comment="", by=approver)
    assert not Device.objects.all().overdue(today + timedelta(days=10)).exists()
    assert Device.objects.all().overdue(today + timedelta(days=91)).exists()


SENSELESS = [
    ({"kind": "keep", "expires_on": date(2311, 1, 1)}, "最長 3 年"),
    ({"kind": "retire", "retire_by": date(2311, 11, 30)}, "最長 3 年"),
]


@pytest.mark.parametrize(("asked", "sentence"), SENSELESS)
def test_no_decision_holds_for_ever(handler, held, asked, sentence):
    whole = {"reason": "業務需要", "measure": "獨立網段"} | asked
    with pytest.raises(ActionRefused, match=sentence):
        decision_actions.decide(held, **whole, by=handler)
    assert decision_actions.last_day_of_a_decision(date(2028, 2, 29)) == date(2031, 2, 28)


def test_one_decision_of_a_device_waits(handler, approver, held, client):
    first = kept(held, handler)
    with pytest.raises(ActionRefused, match="已經有一個例外留用"):
        kept(held, handler)
    with pytest.raises(ActionRefused, match="只有提出的人"):
        decision_actions.withdraw(first, by=approver)
    client.force_login(handler)
    answer = client.post("/manage/decisions/withdraw/", {"ids": first.pk, "confirmed": "1"})
    assert answer.status_code == 302
    first.refresh_from_db()
    assert first.state == Decision.State.WITHDRAWN
    second = kept(held, handler)
    decision_actions.decide(held, kind="retire", retire_by=timezone.localdate(), by=handler)
    second.refresh_from_db()
    assert (second.state, second.comment) == (Decision.State.WITHDRAWN, "改為限期汰換。")
    with pytest.raises(ActionRefused, match="已經有人決定"):
        decision_actions.approve(second, accept=True, comment="", by=approver)


def test_an_exception_that_no_longer_fits_is_not_approved(handler, approver, held, listed):
    decision = kept(held, handler)
    product_actions.lift(listed, on=timezone.localdate() - timedelta(days=1), by=approver)
    with pytest.raises(ActionRefused, match="已不在清單上"):
        decision_actions.approve(decision, accept=True, comment="", by=approver)
    Decision.objects.update(expires_on=timezone.localdate())
    Device.objects.update(restriction=listed)
    with pytest.raises(ActionRefused, match="有效期限已經過了"):
        decision_actions.approve(decision, accept=True, comment="", by=approver)
    decision_actions.approve(decision, accept=False, comment="過期", by=approver)


@pytest.mark.parametrize(("on", "sentence"), [("120-01-01", "不能晚於今天"), ("100-01-01", "購置")])
def test_a_device_is_retired_on_a_day_that_can_be(client, handler, held, on, sentence):
    client.force_login(handler)
    asked = {"ids": held.pk, "confirmed": "1", "retired_on": on}
    assert sentence in client.post("/manage/devices/retired/", asked).content.decode()
    held.refresh_from_db()
    assert held.retired_on is None


def test_a_retirement_is_cancelled_with_a_reason(client, handler, held):
    waiting = kept(held, handler)
    assert device_actions.retire(Device.objects.all(), on=timezone.localdate(), by=handler) == 1
    waiting.refresh_from_db()
    assert waiting.state == Decision.State.WITHDRAWN
    client.force_login(handler)
    page = client.get(f"/manage/devices/{held.pk}/").content.decode()
    assert "請按「限期汰換」" not in page and "登錄汰換" not in page and "取消汰換" in page
    asked = {"ids": held.pk, "confirmed": "1", "reason": ""}
    assert "請填寫理由" in client.post("/manage/devices/unretire/", asked).content.decode()
    client.post("/manage/devices/unretire/", asked | {"reason": "登錄錯了"})
    held.refresh_from_db()
    assert held.retired_on is None
    history = client.get(f"/manage/devices/{held.pk}/history/").content.decode()
    assert "理由 登錄錯了" in history and "→ （空白）" in history
    held.retired_on = timezone.localdate() - timedelta(days=3_000)
    held.save(update_fields=["retired_on"])
    held.bought_on = timezone.localdate() - timedelta(days=1)
    with pytest.raises(ActionRefused, match="購置日期不能比它晚"):
        device_actions.save_device(held, by=handler)


def test_a_retired_device_on_the_list_offers_no_buttons_that_are_not_there(client, handler, held):
    device_actions.retire(Device.objects.all(), on=timezone.localdate(), by=handler)
    client.force_login(handler)
    page = client.get(f"/manage/devices/{held.pk}/").content.decode()
    assert "不需要處置" in page and "例外留用」" not in page


EVERYTHING = [("*", ""), ("＊", ""), ("**", "*"), ("-", ""), ("* - *", " "), ("－", "")]


@pytest.mark.parametrize(("brand", "model"), EVERYTHING)
def test_a_pattern_that_would_find_everything_is_refused(client, approver, brand, model):
    client.force_login(approver)
    typed = {"brand": brand, "model": model, "letter": "函", "issued_on": "115-01-01"}
    answer = client.post("/manage/products/add/", typed)
    assert "廠牌不能只有" in answer.content.decode()
    with pytest.raises(ActionRefused, match="廠牌不能只有"):
        product_actions.restrict(
            [RestrictedProduct(brand=brand, model=model, letter="函", issued_on=date(2026, 1, 1))],
            by=approver,
        )
    assert not RestrictedProduct.objects.exists()


def test_the_number_of_a_device_is_used_once_and_said_in_chinese(client, handler, held):
    client.force_login(handler)
    typed = {"asset_no": "ａ-001", "kind": "hardware", "brand": "示範牌", "quantity": "1"}
    page = client.post("/manage/devices/add/", {**typed, "network": "official"}).content.decode()
    assert "本機關已經有這個財產編號的設備" in page and "Agency" not in page


# --- 年度盤點 ------------------------------------------------------------------------------------


@pytest.fixture
def campaign(approver):
    due = timezone.localdate() + timedelta(days=30)
    return campaign_actions.open_campaign(year=YEAR, due_on=due, by=approver)


@pytest.mark.parametrize("year", [0, YEAR - 2, YEAR + 2, 3000])
def test_a_campaign_is_of_a_year_near_this_one(client, approver, year):
    client.force_login(approver)
    typed = {"year": year, "due_on": roc_dates.roc_date(timezone.localdate() + timedelta(days=9))}
    page = client.post("/manage/campaigns/add/", typed).content.decode()
    assert f"只能是 {YEAR - 1} 到 {YEAR + 1}" in page and not Campaign.objects.exists()


@pytest.mark.parametrize("days", [-1, 3 * 366])
def test_a_campaign_ends_on_a_day_that_can_be(approver, handler, days):
    with pytest.raises(ActionRefused, match="期限不能早於今天"):
        campaign_actions.open_campaign(
            year=YEAR, due_on=timezone.localdate() + timedelta(days=days), by=approver
        )
    assert not handler.notices.exists()


def test_before_anybody_signs_a_campaign_is_corrected_and_agencies_are_notified(
    client, approver, handler, campaign
):
    client.force_login(approver)
    due = timezone.localdate() + timedelta(days=20)
    typed = {"year": YEAR, "due_on": roc_dates.roc_date(due)}
    client.post(f"/manage/campaigns/{campaign.pk}/edit/", typed)
    campaign.refresh_from_db()
    assert campaign.due_on == due
    assert handler.notices.filter(subject__contains=roc_dates.roc_date(due)).exists()
    history = client.get(f"/manage/campaigns/{campaign.pk}/history/").content.decode()
    assert f"→ {roc_dates.roc_date(due)}" in history


def test_what_is_signed_stays_in_its_year_and_its_day_only_moves_on(
    client, approver, handler, campaign
):
    campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    client.force_login(approver)
    address, was = f"/manage/campaigns/{campaign.pk}/", campaign.due_on
    assert f"{address}edit/" not in client.get(address).content.decode()
    for typed in ({"year": YEAR + 1}, {"due_on": roc_dates.roc_date(was + timedelta(days=1))}):
        whole = {"year": YEAR, "due_on": roc_dates.roc_date(was)} | typed
        assert "已經有機關簽署" in client.post(f"{address}edit/", whole).content.decode()
    asked = {"ids": campaign.pk, "confirmed": "1", "reason": "配合汰換期程"}
    for days, sentence in ((-1, "只能往後"), (0, "只能往後"), (2_000, "年內")):
        asked["due_on"] = roc_dates.roc_date(was + timedelta(days=days))
        assert sentence in client.post("/manage/campaigns/extend/", asked).content.decode()
    later = was + timedelta(days=5)
    client.post("/manage/campaigns/extend/", asked | {"due_on": roc_dates.roc_date(later)})
    campaign.refresh_from_db()
    assert (campaign.year, campaign.due_on) == (YEAR, later)
    shown = client.get(address).content.decode()
    assert f"期限由 {roc_dates.roc_date(was)} 展延到 {roc_dates.roc_date(later)}" in shown
    assert "配合汰換期程" in shown
    assert handler.notices.filter(subject__contains="展延到").exists()


def test_the_platform_sees_who_has_not_signed(client, approver, handler, campaign):
    client.force_login(approver)
    page = client.get(f"/manage/campaigns/{campaign.pk}/").content.decode()
    before = page.split("<h2>簽署</h2>")[0]
    assert handler.agency.name in before
    campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    page = client.get(f"/manage/campaigns/{campaign.pk}/").content.decode()
    before, after = page.split("<h2>簽署</h2>")
    assert handler.agency.name not in before and handler.agency.name in after
    client.force_login(handler)
    assert "未簽署的機關" not in client.get(f"/manage/campaigns/{campaign.pk}/").content.decode()


def test_the_list_counts_who_signed_and_who_has_not(approver, handler, campaign):
    """An agency without anybody signs nothing; what was withdrawn, or is of another year, is none."""

    def counts():
        found = Campaign.objects.with_sign_offs(handler).get(pk=campaign.pk)
        return found.signed, found.missing, found.is_signed

    Agency.objects.create(code="X", name="沒有人的機關")
    signing = signing_agencies().count()
    assert counts() == (0, signing, False)
    campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    last_year = Campaign.objects.create(year=YEAR - 1, due_on=timezone.localdate(), opened_by="x")
    campaign_actions.sign_off(last_year, agency=handler.agency, by=handler)
    assert counts() == (1, signing - 1, True)
    Account.objects.filter(agency=handler.agency).update(status="left")
    assert counts() == (1, signing - 1, True)  # it signed while somebody served
    campaign_actions.withdraw_sign_off(campaign, agency=handler.agency, reason="漏列", by=handler)
    assert counts() == (0, signing - 1, False)


def test_a_signature_is_withdrawn_with_a_reason_and_given_anew(
    client, approver, handler, campaign, held
):
    decision_actions.decide(held, kind="retire", retire_by=timezone.localdate(), by=handler)
    first = campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    client.force_login(handler)
    asked = {"ids": campaign.pk, "confirmed": "1", "reason": ""}
    assert "請填寫理由" in client.post("/manage/campaigns/withdraw/", asked).content.decode()
    client.post("/manage/campaigns/withdraw/", asked | {"reason": "漏列一項"})
    assert approver.notices.filter(subject__contains="撤回").exists()
    device_actions.save_device(device(handler.agency, "A-002", brand="示範牌"), by=handler)
    second = campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    page = client.get(f"/manage/campaigns/{campaign.pk}/").content.decode()
    assert "漏列一項" in page and "已撤回" in page and "有效" in page
    first.refresh_from_db()
    assert (first.figures["in_use"], second.figures["in_use"]) == (1, 2)
    pdf = client.get(f"/manage/campaigns/form/{first.pk}/").content
    assert "已撤回" in pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()
    with pytest.raises(ActionRefused, match="沒有簽署"):
        campaign_actions.withdraw_sign_off(
            campaign, agency=approver.agency, reason="x", by=approver
        )


def test_the_form_has_the_list_and_its_digest_is_that_of_the_list(
    client, handler, campaign, held, monkeypatch
):
    decision_actions.decide(held, kind="retire", retire_by=timezone.localdate(), by=handler)
    device_actions.save_device(device(handler.agency, "=B-2", brand="示範牌"), by=handler)
    signed = campaign_actions.sign_off(campaign, agency=handler.agency, by=handler)
    Device.objects.update(place="後來搬走")  # what was signed stays what it was
    client.force_login(handler)
    listing = client.get(f"/manage/campaigns/form/{signed.pk}/?format=csv").content
    assert hashlib.sha256(listing).hexdigest() == signed.digest
    assert "限期汰換" in listing.decode() and "後來搬走" not in listing.decode()

    def text():
        pdf = client.get(f"/manage/campaigns/form/{signed.pk}/").content
        return pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()

    assert "A-001" in text() and "=B-2" in text() and "'=B-2" not in text()
    monkeypatch.setattr(sign_off_form, "_ON_PAPER", 1)
    assert "A-001" in text() and "=B-2" not in text() and "清冊共 2 項" in text()


def test_a_campaigns_page_asks_the_same_of_one_agency_and_of_many(
    client, approver, handler, campaign
):
    client.force_login(approver)
    address = f"/manage/campaigns/{campaign.pk}/"
    client.get(address)
    with CaptureQueriesContext(connection) as before:
        client.get(address)
    for agency in signing_agencies():
        campaign_actions.sign_off(campaign, agency=agency, by=handler)
    with CaptureQueriesContext(connection) as after:
        client.get(address)
    assert len(after) <= len(before) + 1
