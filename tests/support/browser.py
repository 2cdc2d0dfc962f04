"""A real server with the demo's city and headless Chromium before it: fixtures for all tests.

Each module of tests has its site to itself, in each process; the city is made once for all.
"""

import fcntl
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.hosts import free_ports
from tests.support.installations import ROOT, Place

CHROMIUM = shutil.which("chromium")
_PATIENCE_MILLISECONDS = 120_000
"""For what a page shall come to show: a busy machine takes its time."""


def expect(thing):
    """Playwright's, which is loaded by the first test that drives a browser, not by all others."""
    from playwright.sync_api import expect

    return expect(thing)


@pytest.fixture(scope="session")
def demo_home():
    """A home in which the demo has been up once: whoever is the first makes it."""
    shared = Path(os.environ["PYTEST_DEBUG_TEMPROOT"])
    home = shared / "demo"
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            begun = shared / "demo-begun"
            begun.mkdir(mode=0o700)
            with _served(begun):
                pass
            begun.rename(home)
    return home


@pytest.fixture(scope="module")
def site(demo_home, tmp_path_factory):
    """The address of a site, and the password of its accounts."""
    home = tmp_path_factory.mktemp("site") / "home"
    shutil.copytree(demo_home, home)
    with _served(home) as served:
        yield served


@contextmanager
def _served(home):
    assert CHROMIUM, "Chromium is missing: apt-get install chromium fonts-noto-cjk"
    [port] = free_ports(1)
    with Place(home, ISMP_PORT=str(port)).serving("demo") as said:
        yield f"http://127.0.0.1:{port}", re.search(r"密碼 (demo-\w+)", said)[1]


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def pictures(request):
    """With `--pictures`, take the pictures of the manual; else none, for nobody would open them."""

    def take(page, name):
        if request.config.getoption("--pictures"):
            page.screenshot(path=ROOT / "docs" / "manual" / f"{name}.png")

    return take


def visit(chromium, site, **options):
    """A page of a browser that has never been here."""
    page = chromium.new_context(base_url=site[0], **options).new_page()
    page.set_default_timeout(_PATIENCE_MILLISECONDS)
    return page


def signed_in(chromium, site, username="EP1001", **options):
    page = visit(chromium, site, **options)
    page.goto("/")
    page.get_by_label("公務帳號").fill(username)
    page.get_by_label("密碼").fill(site[1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("您好")
    return page


def code_by_second(chromium, site, clerk, username):
    """The clerk asks for a new password on the account's page; an administrator of the platform says
    the second yes.  Returns that person's page with the code, and the code."""
    clerk.get_by_role("button", name="重設密碼").click()
    clerk.get_by_label("我已當面").check()
    clerk.get_by_role("button", name="確定重設密碼").click()
    expect(clerk.get_by_role("status")).to_contain_text("等候另一位管理者確認")
    second = signed_in(chromium, site, "IC1001", viewport={"width": 1280, "height": 800})
    second.goto("/manage/reviews/?kind=重設密碼")
    row = second.get_by_role("region", name="等候處理的事項").get_by_role("row", name=username)
    row.get_by_role("link").click()
    second.get_by_role("button", name="核可").click()
    return second, second.locator(".code").inner_text()


def signed_in_by_code(chromium, site, username, code, **options):
    """Set one's own password by a code that was handed over, and sign in."""
    page = visit(chromium, site, **options)
    page.goto("/accounts/login/")
    page.get_by_role("link", name="設定新密碼").click()
    page.get_by_label("公務帳號").fill(username.lower())
    page.get_by_label("一次性代碼").fill(code.lower())
    for field in ("新密碼", "再輸入一次新密碼"):
        page.get_by_label(field, exact=True).fill("correct horse battery")
    page.get_by_role("button", name="設定新密碼").click()
    page.get_by_label("公務帳號").fill(username)
    page.get_by_label("密碼").fill("correct horse battery")
    page.keyboard.press("Enter")
    return page


def add_account(page, username, name):
    page.goto("/manage/accounts/")
    page.get_by_role("link", name="新增帳號").click()
    page.get_by_label("公務帳號").fill(username)
    page.get_by_label("姓名").fill(name)
    page.get_by_label("部門").fill("人事室")
    page.get_by_role("button", name="存檔").click()
    expect(page.get_by_text(f"「{username} {name}」已存檔")).to_be_visible()


def walk(page, addresses, *looks):
    """Each of these pages, without a fault in these looks and without a complaint of Chromium."""
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    for address in addresses:
        page.goto(address)
        assert_accessible(page, *looks)
    assert not [text for text in complaints if "404" not in text and "403" not in text]


def assert_accessible(page, *looks):
    """axe-core on the page as it stands, or in each of these pairs of a width and a scheme."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(f"{Axe().axe_script};0")  # else all of axe would come back as its value
    size = page.viewport_size
    for width, scheme in looks or [(size["width"], None)]:
        page.set_viewport_size({**size, "width": width})
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(
            "axe.run({resultTypes: ['violations']}).then(told => told.violations)"
        )
        assert not [(fault["id"], page.url, width, scheme) for fault in found]
        body = page.evaluate("document.documentElement.scrollWidth")
        assert body <= width, f"{page.url} is {body} px wide"
