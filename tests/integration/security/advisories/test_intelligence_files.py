"""A large file of intelligence is read by the worker, not within the request."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from ismp.audit.models import Event
from ismp.notifications.models import Notice
from ismp.security.advisories.actions import importing as advisory_importing
from ismp.security.advisories.actions import uploaded_files
from ismp.security.models import Advisory, IntelligenceFile, IntelligencePiece

pytestmark = pytest.mark.django_db
PAGE = "/manage/advisories/import/"
CVE = {
    "dataType": "CVE_RECORD",
    "dataVersion": "5.1",
    "cveMetadata": {"cveId": "CVE-2026-10001", "state": "PUBLISHED"},
    "containers": {
        "cna": {
            "title": "示範漏洞",
            "descriptions": [{"lang": "zh-TW", "value": "示範"}],
            "affected": [{"vendor": "示範牌", "product": "閘道器"}],
        }
    },
}


@pytest.fixture
def platform(client, account, settings):
    settings.INTELLIGENCE_AT_ONCE_BYTES = 100
    person = account("EP1001", "platform_admin")
    client.force_login(person)
    return person


@pytest.fixture
def send(client, platform, django_capture_on_commit_callbacks):
    """Send a file; with `read`, the worker has read it when the page is asked for again."""

    def send(data, *, read=True):
        file = SimpleUploadedFile("情資 A123456789.json", data)
        with django_capture_on_commit_callbacks(execute=False):
            answer = client.post(PAGE, {"file": file}, follow=True)
        kept = IntelligenceFile.objects.get()
        if read:
            uploaded_files.read_file.func(kept.pk)
            answer = client.get(answer.request["PATH_INFO"])
        return answer.content.decode()

    return send


def test_its_sender_may_close_the_window_and_is_notified(send, platform):
    page = send(json.dumps(CVE).encode(), read=False)
    assert "檔案已安全收到，可安心關閉視窗" in page and 'hx-trigger="every 2s"' in page
    assert "A123456789" not in page and not Advisory.objects.exists()
    kept = IntelligenceFile.objects.get()
    assert Event.objects.get(verb="receive_intelligence").actor == platform.username
    uploaded_files.read_file.func(kept.pk)
    notice = Notice.objects.get(account=platform)
    assert notice.subject == "情資檔案已匯入" and notice.link == f"{PAGE}{kept.pk}/"
    assert Advisory.objects.get().title
    assert not IntelligencePiece.objects.exists()


def test_what_it_brought_stands_on_its_page(send):
    page = send(json.dumps(CVE).encode())
    assert "匯入完成" in page and "hx-trigger" not in page.split("<section")[1]
    assert "<dt>新增</dt><dd>1</dd>" in page


def test_what_cannot_be_read_is_reported_and_nothing_comes_in(send, platform):
    page = send(b"[" * 200)
    assert "沒有匯入任何資料" in page and not Advisory.objects.exists()
    assert Notice.objects.get(account=platform).subject == "情資檔案沒有匯入"


def test_a_small_file_is_read_at_once(client, platform, settings):
    settings.INTELLIGENCE_AT_ONCE_BYTES = 1024 * 1024
    file = SimpleUploadedFile("cve.json", json.dumps(CVE).encode())
    assert "匯入完成" in client.post(PAGE, {"file": file}).content.decode()
    assert not IntelligenceFile.objects.exists() and Advisory.objects.count() == 1


def test_a_file_whose_worker_has_died_is_read_anew(send, monkeypatch):
    def dies(*_, **__):
        raise SystemExit

    send(json.dumps(CVE).encode(), read=False)
    kept = IntelligenceFile.objects.get()
    with monkeypatch.context() as patch:
        patch.setattr(advisory_importing, "import_advisories", dies)
        with pytest.raises(SystemExit):
            uploaded_files.read_file.func(kept.pk)
    uploaded_files.read_file.func(kept.pk)  # its worker may still be at it
    assert not Advisory.objects.exists() and uploaded_files.recover() == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert uploaded_files.recover() == 1
        uploaded_files.read_file.func(kept.pk)
    assert Advisory.objects.count() == 1 and IntelligenceFile.objects.get().tries == 2


def test_a_file_that_always_fails_ends_with_a_sentence(send, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError

    send(json.dumps(CVE).encode(), read=False)
    kept, now = IntelligenceFile.objects.get(), timezone.now()
    monkeypatch.setattr(advisory_importing, "import_advisories", fails)
    for hours in range(2):
        with time_machine.travel(now + timedelta(hours=hours)), pytest.raises(RuntimeError):
            uploaded_files.read_file.func(kept.pk)
    with time_machine.travel(now + timedelta(hours=3)):
        uploaded_files.read_file.func(kept.pk)
    assert "請洽客服" in IntelligenceFile.objects.get().reason


def test_what_a_file_brought_is_forgotten_with_the_uploads(send, settings):
    send(json.dumps(CVE).encode())
    assert uploaded_files.purge() == 0
    with time_machine.travel(timezone.now() + timedelta(days=settings.UPLOAD_KEPT_DAYS, seconds=1)):
        assert uploaded_files.purge() == 1
    assert not IntelligenceFile.objects.exists() and Advisory.objects.exists()
