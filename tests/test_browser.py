"""The clerk's monthly job in headless Chromium: by mouse, by keyboard, without JavaScript.

A real server with its worker, started as `ismp serve` starts them; axe-core on each page.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from ismp.accounts import invented
from ismp.hours.portal_export import ExportChoices, export
from ismp.ui import roc

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium")
LIST = "/manage/learning-map/agency-hours/"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The demo city on a free port: (address, password)."""
    assert CHROMIUM, "Chromium is missing: apt-get install chromium fonts-noto-cjk"
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "ISMP_HOME": str(home), "ISMP_PORT": str(port)}
    environment.pop("DATABASE_URL", None)
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "demo"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/accounts/login/", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (home / "log").read_text()

                time.sleep(0.2)
        yield address, re.search(r"密碼 (demo-\w+)", (home / "log").read_text())[1]
    finally:
        server.send_signal(2)
        server.wait(30)


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        )
        yield browser
        browser.close()


def signed_in(chromium, site, **options):
    page = chromium.new_context(base_url=site[0], **options).new_page()
    page.goto("/")
    page.get_by_label("公務帳號").fill("EP1001")
    page.get_by_label("密碼").fill(site[1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("您好")
    return page


def sample(tmp_path, seed):
    mine = [p for p in invented.city() if p.agency_code == "382990002Z"]
    choices = ExportChoices(roc.parse("115-01-01"), roc.parse("115-06-30"), seed=seed)
    file = tmp_path / "成績.csv"
    file.write_bytes(export(mine, 60, choices))
    return file


@pytest.mark.parametrize("javascript", [True, False])
def test_the_monthly_job(site, chromium, tmp_path, javascript):
    page = signed_in(chromium, site, java_script_enabled=javascript)
    page.goto("/manage/")
    page.get_by_role("link", name="單一機關終身學習時數管理").first.click()
    expect(page.get_by_role("heading", name="同仁學習狀況明細")).to_be_visible()
    page.get_by_label("上傳終身學習時數").set_input_files(sample(tmp_path, seed=20 + javascript))
    page.get_by_role("button", name="上傳CSV檔").click()
    done = page.get_by_role("heading", name="匯入完成")
    renew = page.get_by_role("link", name="更新進度")
    while not javascript:
        expect(done.or_(renew)).to_be_visible()
        if done.is_visible():
            break
        renew.click()
    expect(page.get_by_role("heading", name="匯入完成")).to_be_visible(timeout=30_000)
    expect(page.locator("dl.sums")).to_contain_text("60")
    with page.expect_download() as download:
        page.get_by_role("link", name="下載無法匯入資料").click()
    assert download.value.suggested_filename.endswith(".xlsx")
    page.get_by_role("link", name="復原這次匯入").click()
    page.get_by_role("button", name="確定復原").click()
    expect(page.get_by_text("由 EP1001 復原")).to_be_visible()


def test_the_menu_opens_by_keyboard_alone(site, chromium):
    page = signed_in(chromium, site)
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="管理環境")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_fault(site, chromium, width, scheme):
    page = signed_in(chromium, site, viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    runs = "/manage/learning-map/runs/"
    for address in (
        "/",
        "/accounts/password/",
        "/manage/",
        LIST,
        f"{LIST}?q=nobody",
        runs,
        f"{runs}1/",
        f"{runs}2/",
        "/manage/learning-map/help/",
        "/manage/learning-map/hours/deleted/",
        "/nowhere/",
    ):
        page.goto(address)
        found = Axe().run(page).response["violations"]
        assert not [(fault["id"], address) for fault in found]
        body = page.evaluate("document.documentElement.scrollWidth")
        assert body <= width, f"{address} is {body} px wide"
    assert not [text for text in complaints if "404" not in text]
