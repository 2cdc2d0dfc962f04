"""Intelligence, incidents and devices in headless Chromium, by those who answer for them."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from ismp.ui.text import roc_dates
from tests.support.browser import assert_accessible, signed_in
from tests.support.intelligence import bundle

pytestmark = pytest.mark.browser
WIDE = {"width": 1280, "height": 800}
LOOKS = ((360, "light"), (1440, "dark"))
HANDLERS = ("示範市政府資訊中心", "示範市政府環境保護局")


def test_an_advisory_from_the_stix_file_to_the_last_answer(site, chromium, tmp_path, pictures):
    file = tmp_path / "bundle.json"
    file.write_text(bundle().serialize(), "utf-8")
    due = roc_dates.roc_date(timezone.localdate() + timedelta(days=7))
    platform = signed_in(chromium, site, "IC1001", viewport=WIDE)
    clerk = signed_in(chromium, site, "EP1001", viewport=WIDE)
    an_affected_device(clerk)

    platform.goto("/manage/advisories/")
    platform.get_by_role("link", name="匯入情資檔案").click()
    platform.get_by_label("檔案", exact=True).set_input_files(file)
    platform.get_by_role("button", name="匯入", exact=True).click()
    expect(platform.get_by_role("heading", name="匯入完成")).to_be_visible()
    platform.goto("/manage/advisories/?field=title&q=攝影機")
    platform.get_by_role("link", name="攝影機韌體弱點").click()
    publish = platform.get_by_role("button", name="發布給機關")
    expect(publish).to_be_visible()
    address = platform.url
    publish.click()
    for agency in HANDLERS:
        platform.get_by_label(agency).check()
    platform.get_by_role("textbox", name="回覆期限").fill(due)
    platform.get_by_role("button", name="確定發布給機關").click()

    clerk.goto("/manage/reviews/")
    waiting = clerk.get_by_role("link", name="攝影機韌體弱點")
    expect(waiting).to_have_count(1)
    pictures(clerk, "reviews")
    waiting.click()
    clerk.get_by_role("button", name="簽收").click()
    clerk.get_by_role("button", name="確定簽收").click()
    clerk.get_by_role("button", name="回覆", exact=True).click()
    clerk.get_by_label("回覆", exact=True).select_option(label="受影響，處理中")
    clerk.get_by_label("處理情形與佐證").fill("韌體已更新至 5.5，附設備清單。")
    clerk.get_by_role("button", name="確定回覆").click()
    clerk.goto("/manage/reviews/")
    expect(waiting).to_have_count(0)

    # The publisher does not answer for their own agency: it waits for a colleague.
    platform.goto("/manage/reviews/")
    expect(platform.get_by_role("heading", name="機關審核作業")).to_be_visible()
    expect(platform.get_by_role("link", name="攝影機韌體弱點")).to_have_count(0)
    platform.goto(address)
    expect(platform.get_by_text("1／2")).to_be_visible()
    for agency, reply in zip(HANDLERS, ("未回覆", "受影響，處理中"), strict=True):
        line = platform.get_by_role("row").filter(has=platform.get_by_role("link", name=agency))
        expect(line).to_contain_text(reply)
    pictures(platform, "advisory")
    clerk.goto("/manage/addresses/")
    clerk.get_by_role("link", name="攝影機韌體弱點").click()
    expect(clerk.get_by_role("link", name="CAM-1")).to_be_visible()
    assert_accessible(clerk, *LOOKS)


def an_affected_device(page):
    page.goto("/manage/devices/add/")
    for label, text in {"財產編號": "CAM-1", "廠牌": "Hikvision", "型號": "DS-2CD2042"}.items():
        page.get_by_label(label).fill(text)
    page.get_by_label("種類").select_option(label="硬體")
    page.get_by_label("連網情形").select_option(label="公務網路")
    page.get_by_role("button", name="存檔").click()
    expect(page.get_by_role("status").first).to_contain_text("已存檔")


def test_an_incident_is_reported_by_staff_and_reported_by_the_agency(site, chromium, pictures):
    today = roc_dates.roc_date(timezone.localdate())
    staff = signed_in(chromium, site, "EP1002", viewport=WIDE)
    staff.goto("/incidents/report/")
    staff.get_by_label("事件名稱").fill("首頁遭竄改")
    staff.get_by_label("發生什麼事、影響到什麼").fill("首頁出現不明圖片。")
    staff.get_by_role("textbox", name="日期").fill(today)
    staff.get_by_label("時間（24 小時制）").fill("00:00")
    staff.locator("#id_integrity_subject").select_option(index=1)
    staff.get_by_role("button", name="送出").click()
    expect(staff.get_by_role("heading", level=1)).to_contain_text("首頁遭竄改")
    staff.goto("/")
    expect(staff.get_by_text("資通安全通報", exact=True).first).to_be_visible()

    clerk = signed_in(chromium, site, "EP1001", viewport=WIDE)
    clerk.goto("/manage/reviews/")
    clerk.get_by_role("link", name="首頁遭竄改").click()
    expect(clerk.get_by_role("heading", level=1)).to_contain_text("首頁遭竄改")
    clerk.locator(".action-list").get_by_role("button", name="通報").click()
    expect(clerk.get_by_text("已通報").first).to_be_visible()
    pictures(clerk, "incident")
    platform = signed_in(chromium, site, "IC1001", viewport=WIDE)
    platform.goto("/manage/reviews/")
    expect(platform.get_by_role("link", name="首頁遭竄改")).to_have_count(1)
    assert_accessible(clerk, *LOOKS)
