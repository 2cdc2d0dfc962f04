"""The restricted list by a file: judged row by row, tried, brought in, read back."""

from datetime import date, timedelta
from functools import partial

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from hypothesis import given, settings, strategies

from ismp.audit.models import Event
from ismp.imports import report
from ismp.imports.models import State
from ismp.security.devices import product_import
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.models import Device, RestrictedProduct
from ismp.ui.text.roc_dates import roc_date
from tests.support import uploads

pytestmark = pytest.mark.django_db
HEADER = "廠牌,型號,來源函號,發文日期"
GOOD = "Hikvision,,示範字第1號,115-01-05"


def csv_of(*lines, header=HEADER):
    return "\r\n".join([header, *lines, ""]).encode("utf-8-sig")


@pytest.fixture
def platform(account):
    return account("IC1001", "platform_admin")


@pytest.fixture
def send(client, platform):
    client.force_login(platform)
    return partial(uploads.send, client, source="products", name="清單.csv")


def counts(run):
    assert run.state == State.COMPLETED, run.reason
    return (run.created, run.updated, run.unchanged, run.rejected)


def test_a_list_comes_in_at_once_and_agencies_are_notified(send, client, account):
    handler = account("EP1001", "agency_admin")
    held = Device(
        agency=handler.agency, asset_no="1", kind="hardware", brand="Hikvision", network="offline"
    )
    device_actions.save_device(held, by=handler)
    data = csv_of(GOOD, "大華,DH-*,示範字第1號,115-01-05")
    assert counts(send(data, mode="dry_run")) == (2, 0, 0, 0)
    assert not RestrictedProduct.objects.exists() and not handler.notices.exists()
    assert counts(send(data)) == (2, 0, 0, 0)
    held.refresh_from_db()
    assert held.restriction.brand == "Hikvision" and handler.notices.exists()
    assert counts(send(data)) == (0, 0, 2, 0)
    run = send(csv_of(GOOD.replace("01-05", "02-05")))
    assert counts(run) == (0, 1, 0, 0)
    assert RestrictedProduct.objects.get(brand="Hikvision").issued_on == date(2026, 2, 5)
    product = RestrictedProduct.objects.get(brand="Hikvision")
    history = client.get(f"/manage/products/{product.pk}/history/").content.decode()
    assert "發文日期 115-01-05 → 115-02-05" in history
    assert Event.objects.filter(verb="take_in_products", subject=f"run:{run.pk}").count() == 1


def test_what_was_lifted_stays_lifted(send, platform):
    send(csv_of(GOOD))
    product = RestrictedProduct.objects.get()
    product_actions.lift(product, on=date(2026, 3, 1), by=platform)
    assert counts(send(csv_of(GOOD))) == (0, 0, 1, 0)
    product.refresh_from_db()
    assert product.ended_on == date(2026, 3, 1)
    assert counts(send(csv_of(GOOD.replace("01-05", "06-05")))) == (0, 0, 1, 0)
    product.refresh_from_db()
    assert (product.issued_on, product.ended_on) == (date(2026, 1, 5), date(2026, 3, 1))


def test_no_letter_is_of_a_day_to_come_or_after_its_end(send, platform, client):
    """A day moved there would take what is on the list off it."""
    send(csv_of(GOOD))
    product = RestrictedProduct.objects.get()
    typed = {"brand": "Hikvision", "model": "", "letter": "示範字第1號"}
    to_come = roc_date(timezone.localdate() + timedelta(days=2))
    place = f"/manage/products/{product.pk}/edit/"
    page = client.post(place, {**typed, "issued_on": to_come})
    assert "發文日期不能晚於今天" in page.content.decode()
    product_actions.lift(product, on=date(2026, 3, 1), by=platform)
    page = client.post(place, {**typed, "issued_on": "115-05-05"})
    assert "發文日期不能比它晚" in page.content.decode()
    product.refresh_from_db()
    assert product.issued_on == date(2026, 1, 5)


ROWS = [
    (",,函,115-01-05", "brand-missing"),
    ("*,,函,115-01-05", "everything"),
    ("＊ －,*,函,115-01-05", "everything"),
    ("大華,,,115-01-05", "letter-missing"),
    (f"{'x' * 101},,函,115-01-05", "too-long"),
    ("大華,,函 A123456789,115-01-05", "national-id"),
    ("大華,,函,", "date-invalid"),
    ("大華,,函,去年", "date-invalid"),
    (f"大華,,函,{roc_date(timezone.localdate() + timedelta(days=2))}", "date-future"),
    ("大華,,函,115-01-05,多", "columns"),
    (GOOD, "duplicate-in-file"),
]


@pytest.mark.parametrize(("bad", "code"), ROWS)
def test_a_bad_row_is_named_and_the_others_go_on(send, bad, code):
    run = send(csv_of(GOOD, bad))
    assert counts(run) == (1, 0, 0, 1)
    assert [(one["line"], one["code"]) for one in report.rejections(run)] == [(3, code)]


def test_only_the_platform_keeps_the_list(client, account):
    client.force_login(account("EP1001", "agency_admin"))
    sent = {"source": "products", "mode": "import"}
    answer = client.post(uploads.UPLOAD, {**sent, "file": SimpleUploadedFile("a.csv", csv_of())})
    assert answer.status_code == 403
    assert "匯入限制清單" not in client.get("/manage/products/").content.decode()


def test_the_template_is_a_list_to_begin_with(send, client):
    data = client.get("/manage/products/template/").content
    assert counts(send(data)) == (len(product_import.PUBLISHED), 0, 0, 0)


_TEXT = strategies.text(strategies.sampled_from("'=+-@ *aZ0９海康，,\""), min_size=1, max_size=8)
_TEXT = _TEXT.map(str.strip).filter(lambda text: text.strip("*-＊ "))


@settings(max_examples=10)
@given(
    strategies.lists(
        strategies.tuples(_TEXT, _TEXT | strategies.just("")),
        min_size=1,
        unique_by=lambda pair: product_actions.product_key(
            RestrictedProduct(brand=pair[0], model=pair[1])
        ),
        max_size=6,
    )
)
@pytest.mark.parametrize("how", ["csv", "xlsx"])
def test_the_list_that_is_downloaded_changes_nothing_when_it_is_imported(
    client, platform, how, pairs
):
    RestrictedProduct.objects.all().delete()
    client.force_login(platform)
    listed = [
        RestrictedProduct(brand=brand, model=model, letter="函", issued_on=date(2026, 1, 1))
        for brand, model in pairs
    ]
    product_actions.restrict(listed, by=platform)
    answer = client.get("/manage/products/export/", {"format": how})
    data = b"".join(answer.streaming_content)
    run = uploads.send(client, data, source="products", name=f"清單.{how}")
    assert counts(run) == (0, 0, len(pairs), 0), run.reasons
