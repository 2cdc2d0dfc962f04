"""The canary's number as people really write it: glued to other text, full width, small letters.

Wherever a file may carry it (each column of text, the file's name, a heading of its own), the
database, the report and the pages must not hold it in clear (docs/explain/laws.md, 7).
"""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ismp.hours.models import Record
from ismp.imports import running
from ismp.imports.models import ImportRun, State
from tests.support import uploads
from tests.support.canary import FORMS, announced, database
from tests.support.portal_files import TITLES, row, text

pytestmark = pytest.mark.django_db
MAP = "/manage/learning-map/"
TEXTS = [
    "learning_type", "organizer_code", "organizer_name", "department", "degree", "title", "kind",
    "fee", "term", "score", "certificate_no", "nature", "job_related", "unit",
]  # fmt: skip


@pytest.fixture(params=FORMS)
def written(request):
    return FORMS[request.param]


def test_in_any_column_of_text(import_bytes, clerk, written):
    good = row(**dict.fromkeys(TEXTS, written))
    bad = row(**dict.fromkeys(TEXTS, written), total="9", started_on="1")
    run = import_bytes(text(good, bad).encode())["run"]
    assert (run.created, run.rejected) == (1, 1)
    assert not announced(database())
    with zipfile.ZipFile(io.BytesIO(clerk.get(f"{MAP}runs/{run.pk}/report/").getvalue())) as book:
        assert not any(announced(book.read(part).decode()) for part in book.namelist())
    for address in ("agency-hours/", f"runs/{run.pk}/", f"runs/{run.pk}/rows/"):
        assert not announced(clerk.get(MAP + address).content.decode()), address
    export = clerk.get(f"{MAP}hours/export/?format=csv").streaming_content
    assert not announced(b"".join(export).decode())


ROSTER = {
    "機關代碼": "382990001Z",
    "機關名稱": "示範市政府資訊中心",
    "部門": "資訊科",
    "公務帳號": "IC8001",
    "姓名": "某人",
    "身分證字號": "",
    "電子郵件": "",
    "資安列管身分": "",
    "狀態": "在職",
}
DEVICE = {
    "財產編號": "A-1",
    "種類": "硬體",
    "廠牌": "示範牌",
    "放置地點": "",
    "保管單位": "",
    "保管人": "",
    "連網情形": "公務網路",
}


def list_of(*rows):
    return "\n".join(
        ",".join(cells) for cells in (rows[0], *(row.values() for row in rows))
    ).encode()


def shown_of_run(client, run):
    """In its pages, in its workbook, or in the database."""
    for part in ("", "rows/", "progress/"):
        yield announced(client.get(f"{MAP}runs/{run.pk}/{part}").content.decode())
    with zipfile.ZipFile(io.BytesIO(client.get(f"{MAP}runs/{run.pk}/report/").getvalue())) as book:
        yield any(announced(book.read(part).decode()) for part in book.namelist())
    yield announced(database())


def test_in_any_column_of_a_roster(clerk, written):
    rows = [ROSTER | {title: written, "公務帳號": f"IC8{n}"} for n, title in enumerate(ROSTER)]
    rows += [ROSTER | {"公務帳號": written}, ROSTER | {"狀態": f"在職,{written}"}]
    run = uploads.send(clerk, list_of(*rows), source="roster")
    assert run.state == State.REFUSED
    assert not any(shown_of_run(clerk, run))


def test_in_the_columns_of_an_inventory_that_tell_of_people(clerk, written):
    of_people = dict.fromkeys(("放置地點", "保管單位", "保管人"), written)
    rows = [DEVICE | of_people, dict.fromkeys(DEVICE, written)]
    run = uploads.send(clerk, list_of(DEVICE, *rows), source="devices")
    assert (run.created, run.rejected) == (1, 2)
    assert not any(shown_of_run(clerk, run))
    assert uploads.send(clerk, list_of(rows[0]), source="devices").updated == 1
    assert uploads.send(clerk, list_of(rows[0]), source="devices").unchanged == 1
    assert not announced(database())


def test_in_the_name_of_the_file(clerk, city, written):
    file = SimpleUploadedFile(f"{written}.csv", text(row()).encode())
    answer = clerk.post(f"{MAP}upload/", {"mode": "import", "file": file})
    running.perform(ImportRun.objects.get().pk)
    assert Record.objects.count() == 1
    assert not announced(database())
    assert not announced(str(list(answer.items())))
    for address in (answer["Location"], f"{MAP}runs/"):
        assert not announced(clerk.get(address).content.decode()), address


def test_in_a_heading_of_its_own(import_bytes, clerk, written):
    run = import_bytes(text([*row(), "x"], head=[*TITLES, written]).encode())["run"]
    assert run.created == 1
    assert not announced(database())
    assert not announced(clerk.get(f"{MAP}runs/{run.pk}/").content.decode())


def test_in_the_search_box(clerk, city, written):
    answer = clerk.get(f"{MAP}agency-hours/", {"q": written})
    assert answer.status_code in {200, 302}
    assert not announced(str(list(answer.items())))
    assert not announced(database())


def test_in_the_reason_of_a_deletion(import_bytes, clerk, written):
    import_bytes(text(row()).encode())
    chosen = {"ids": [Record.objects.get().pk], "confirmed": "1", "reason": written}
    clerk.post(f"{MAP}hours/delete/", chosen)
    assert not announced(database())
    assert not announced(clerk.get(f"{MAP}hours/deleted/").content.decode())
