"""The life of an online course and of a class in headless Chromium: from making it to the hours."""

import re

import pytest
import test_browser
from django.utils import timezone
from playwright.sync_api import expect
from test_browser import assert_accessible, signed_in

from ismp.ui import roc

site, chromium, pictures = test_browser.site, test_browser.chromium, test_browser.pictures
pytestmark = pytest.mark.browser
WIDE = {"width": 1280, "height": 800}


def save(page):
    page.get_by_role("button", name="存檔").click()


def confirm(page, deed):
    page.get_by_role("button", name=deed, exact=True).click()
    page.get_by_role("button", name=f"確定{deed}").click()


def test_an_online_course_from_making_it_to_the_hours(site, chromium, pictures):
    clerk = signed_in(chromium, site, viewport=WIDE)
    clerk.goto("/manage/online-courses/")
    clerk.get_by_role("link", name="新增線上課程").click()
    clerk.get_by_label("課程名稱").fill("臺灣資安第一課")
    clerk.get_by_label("課程類別").select_option("522")
    clerk.get_by_label("時數").fill("1.5")
    clerk.get_by_label("課程說明").fill("認識**釣魚郵件**。")
    save(clerk)
    clerk.get_by_role("link", name="網頁", exact=True).click()
    clerk.get_by_label("名稱").fill("第一章　密碼")
    clerk.get_by_label("內容").fill("# 長密碼\n\n- 不重複使用")
    save(clerk)
    clerk.get_by_role("link", name="連結", exact=True).click()
    clerk.get_by_label("名稱").fill("延伸閱讀")
    clerk.get_by_label("連結").fill("https://example.invalid/")
    save(clerk)
    clerk.get_by_role("link", name="測驗設定").click()
    clerk.get_by_label("每次出題數").fill("2")
    save(clerk)
    for question in ("密碼要長？", "可以共用帳號？"):
        clerk.get_by_role("link", name="新增題目").click()
        clerk.get_by_label("題型").select_option("single")
        clerk.get_by_label("題目").fill(question)
        clerk.get_by_label("選項").fill("*對的答案\n錯的答案")
        save(clerk)
    pictures(clerk, "course-making")
    confirm(clerk, "開放")
    expect(clerk.get_by_role("status").first).to_contain_text("已開放")
    parts = [clerk.url.removeprefix(site[0])]

    staff = signed_in(chromium, site, "EP1002", viewport=WIDE)
    staff.goto("/search/?q=台灣")
    staff.get_by_role("link", name="臺灣資安第一課").click()
    parts.append(staff.url.removeprefix(site[0]))
    staff.get_by_role("button", name="開始上課").click()
    parts.append(staff.url.removeprefix(site[0]))
    expect(staff.get_by_text("還要完成：")).to_be_visible()
    staff.get_by_role("link", name="第一章").click()
    parts.append(staff.url.removeprefix(site[0]))
    expect(staff.get_by_role("heading", name="長密碼")).to_be_visible()
    staff.get_by_role("button", name="看完了，下一個").click()
    expect(staff.get_by_role("heading", level=1)).to_contain_text("延伸閱讀")
    staff.get_by_role("button", name="看完了，下一個").click()
    staff.get_by_role("link", name="前往測驗").click()
    staff.get_by_role("button", name="開始作答").click()
    parts.append(staff.url.removeprefix(site[0]))
    for answer in staff.get_by_label("對的答案").all():
        answer.check()
    pictures(staff, "course-quiz")
    assert_accessible(staff, "", 1280)
    staff.get_by_role("button", name="交卷").click()
    expect(staff.get_by_text("1.5 小時已登錄到您的學習時數")).to_be_visible()
    staff.goto("/my/hours/")
    expect(staff.get_by_text("臺灣資安第一課").first).to_be_visible()

    clerk.goto("/manage/learning-map/online-scores/?done=yes")
    expect(clerk.get_by_role("rowheader", name="EP1002")).to_be_visible()
    pictures(clerk, "online-scores")
    walk(chromium, site, parts)


def test_a_class_from_planning_it_to_the_hours(site, chromium, pictures):
    today = roc.roc_date(timezone.localdate())
    clerk = signed_in(chromium, site, viewport=WIDE)
    clerk.goto("/manage/classroom-courses/add/")
    clerk.get_by_label("課程名稱").fill("社交工程實作")
    clerk.get_by_label("課程類別").select_option("523")
    clerk.get_by_label("時數").fill("0.5")
    save(clerk)
    parts = [clerk.url.removeprefix(site[0])]
    clerk.get_by_role("link", name="期別", exact=True).click()
    clerk.get_by_role("link", name="新增期別").click()
    clerk.locator("#id_course").select_option(label="社交工程實作")
    clerk.get_by_label("地點").fill("三樓教室")
    clerk.get_by_label("名額").fill("1")
    clerk.get_by_role("textbox", name="報名起日").fill(today)
    clerk.get_by_role("textbox", name="報名迄日").fill(today)
    clerk.get_by_label("上課時段").fill(f"{today} 00:00-00:30")
    save(clerk)
    parts.append(clerk.url.removeprefix(site[0]))
    clerk.goto(parts[0])
    confirm(clerk, "開放")

    staff = signed_in(chromium, site, "EP1002", viewport=WIDE)
    staff.goto("/search/?q=社交工程")
    staff.get_by_role("link", name="社交工程實作").click()
    parts.append(staff.url.removeprefix(site[0]))
    staff.get_by_role("button", name="報名 第 1 期").click()
    expect(staff.get_by_role("status").first).to_contain_text("錄取")

    clerk.goto(parts[1])
    clerk.get_by_role("link", name="出席、成績與結訓").click()
    parts.append(clerk.url.removeprefix(site[0]))
    clerk.get_by_role("checkbox").first.check()
    clerk.get_by_label(re.compile("的成績$")).fill("95")
    clerk.get_by_role("button", name="儲存出席與成績").click()
    expect(clerk.get_by_role("status").first).to_contain_text("已儲存")
    clerk.get_by_role("link", name="顯示簽到 QR Code").click()
    parts.append(clerk.url.removeprefix(site[0]))
    expect(clerk.get_by_text("這個時段已經結束")).to_be_visible()
    clerk.goto(parts[3])
    clerk.get_by_role("button", name="結訓").click()
    expect(clerk.get_by_role("status").first).to_contain_text("1 人取得時數")
    pictures(clerk, "class-finished")
    staff.goto("/my/hours/")
    expect(staff.get_by_text("社交工程實作").first).to_be_visible()
    walk(chromium, site, parts)


def walk(chromium, site, parts):
    """axe-core, on a phone and on a desk."""
    more = (
        "/courses/mine/",
        "/courses/teaching/",
        "/manage/online-courses/",
        "/manage/online-courses/1/materials/add/?kind=video",
        "/manage/online-courses/1/quiz/",
        "/manage/classroom-courses/",
        "/manage/sessions/",
        "/manage/sessions/add/",
        "/manage/sign-ups/",
        "/manage/learning-map/online-scores/",
        "/manage/learning-map/classroom-scores/",
        "/manage/learning-map/scores/upload/",
        "/manage/learning-map/duplicates/",
    )
    for width in (360, 1440):
        viewport = {"width": width, "height": 900}
        for username in ("EP1001", "EP1002"):
            page = signed_in(chromium, site, username, viewport=viewport)
            complaints = []
            page.on("console", lambda message, heard=complaints: heard.append(message.text))
            for address in (*parts, *more):
                assert_accessible(page, address, width)
            assert not [text for text in complaints if "404" not in text and "403" not in text]
