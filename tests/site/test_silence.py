"""A canary's national ID and name go through everything; nothing that stays behind sings.

Not in logs, addresses, headers, temporary files, the database, workbooks (docs/explain/laws.md, 7).
"""

import io
import json
import logging
import os
import tempfile
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from ismp.accounts import demo_data, national_id
from ismp.accounts.actions import postings as accounts
from ismp.accounts.models import Account
from ismp.accounts.national_id.log_masking import JsonFormatter, MaskingFormatter
from ismp.hours.models import Record
from ismp.imports import running
from ismp.imports import views as imports_views
from ismp.imports.models import ImportRun
from ismp.portal.models import Ticket
from tests.support.portal_files import data, packed, row

pytestmark = pytest.mark.django_db
CANARY = national_id.complete("A28765432")
NAME = "金絲雀囀"
MAP = "/manage/learning-map/"


@pytest.fixture
def log():
    """The platform's own log at its most verbose level."""
    stream = io.StringIO()
    lines = MaskingFormatter(settings.LOGGING["formatters"]["line"]["format"])
    handlers = [logging.StreamHandler(stream), logging.StreamHandler(stream)]
    level, own = logging.root.level, logging.getLogger("ismp").level
    for handler, form in zip(handlers, (lines, JsonFormatter()), strict=True):
        handler.setFormatter(form)
        logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    logging.getLogger("ismp").setLevel(logging.INFO)
    yield stream
    logging.root.setLevel(level)
    logging.getLogger("ismp").setLevel(own)
    for handler in handlers:
        logging.root.removeHandler(handler)


@pytest.fixture
def traces(clerk, log, capfd, tmp_path, monkeypatch):
    """Everything a whole month with the canary leaves outside of the pages themselves."""
    before = set(_files())
    line = f"382990001Z,示範市政府資訊中心,秘書室,CAN1,{NAME},{CANARY},,一般使用者及主管,在職"
    roster = demo_data.roster_csv([]) + line + "\r\n"
    accounts.import_roster(roster.encode(), by="test")
    answers = []
    for answer in chain(_a_month(clerk, tmp_path), _a_bad_day(clerk, monkeypatch)):
        answer.taken = answer.getvalue()  # some are sent while they are read
        answers.append(answer)
    said = capfd.readouterr()
    return {
        "logs": log.getvalue() + said.out + said.err,
        "headers": "\n".join(f"{a.status_code} {list(a.items())}" for a in answers),
        "files": {
            path: path.read_bytes() for path in set(_files()) - before - {_canarys(tmp_path)}
        },
        "answers": answers,
    }


def _canarys(tmp_path):
    return tmp_path / "clerk.csv"


def _a_month(client, tmp_path):
    rows = [row(national_id=CANARY, name=NAME), row(national_id=CANARY, name=NAME, total="9")]
    file = _canarys(tmp_path)
    file.write_bytes(data(*rows))
    call_command("import_hours", str(file), agency="382990001Z", json=True)
    upload = SimpleUploadedFile(
        f"{CANARY} 成績.csv",
        data(*rows, row(name=CANARY, title=f"課程{CANARY}。" * 99, certificate_no=CANARY)),
    )
    yield client.post(f"{MAP}upload/", {"mode": "import", "file": upload})
    run = ImportRun.objects.latest("pk")
    running.perform(run.pk)
    values = {"subject": CANARY, "place": CANARY, "body": f"{NAME}{CANARY}", "contact": CANARY}
    yield client.post("/support/new/", {**values, "run": run.pk})
    yield client.get(f"/support/{Ticket.objects.latest('pk').pk}/")
    yield client.get(f"/support/imports/{run.pk}/")
    for part in ("", "progress/", "rows/", "report/", "undo/"):
        yield client.get(f"{MAP}runs/{run.pk}/{part}")
    yield client.get(f"{MAP}agency-hours/", {"field": "name", "q": NAME})
    for kind in ("csv", "xlsx"):
        yield client.get(f"{MAP}hours/export/?format={kind}")
    yield client.post(f"{MAP}runs/{run.pk}/undo/")
    chosen = {"ids": [r.pk for r in Record.objects.live()], "confirmed": "1", "reason": "試驗"}
    yield client.post(f"{MAP}hours/delete/", chosen)


def _a_bad_day(client, monkeypatch):
    for name, content in (
        (f"{CANARY}.csv", b"%PDF" + CANARY.encode()),
        ("a.zip", packed({f"{CANARY}.csv": data(row(national_id=CANARY))}, b"secret-word")),
    ):
        file = SimpleUploadedFile(name, content)
        yield client.post(f"{MAP}upload/", {"file": file, "password": "other-secret"})
    yield client.get(f"{MAP}agency-hours/", {"q": CANARY})
    yield client.post("/accounts/login/", {"username": CANARY, "password": CANARY})
    monkeypatch.setattr(imports_views.report, "rows", lambda *_: int(f"{CANARY} {NAME}"))
    client.raise_request_exception = False
    yield client.get(f"{MAP}runs/{ImportRun.objects.latest('pk').pk}/rows/")


def _files():
    for root in {tempfile.gettempdir(), str(settings.ISMP_HOME)}:
        for folder, _, names in os.walk(root):
            if "ismp-test-" in folder or Path(folder) == Path(root):
                yield from (Path(folder, name) for name in names)


def test_the_canary_is_silent(traces):
    assert '"event": "request"' in traces["logs"]
    assert "ERROR" in traces["logs"]  # the forced fault was logged, so there was something to hide
    assert traces["answers"][-1].status_code == 500
    assert CANARY not in traces["answers"][-1].content.decode()
    for place in ("logs", "headers"):
        assert CANARY not in traces[place], place
        assert NAME not in traces[place], place
    for path, content in traces["files"].items():
        assert CANARY.encode() not in content, path
        assert NAME.encode() not in content, path


def test_no_page_shows_the_whole_number(traces):
    for answer in traces["answers"]:
        assert CANARY.encode() not in answer.taken, answer.request["PATH_INFO"]


def test_the_database_holds_the_number_encrypted_only(traces):
    dump = []
    for model in apps.get_models(include_auto_created=True):
        dump += [str(values) for values in model._base_manager.values()]
    everything = "\n".join(dump)
    assert "CAN1" in everything
    assert CANARY not in everything.replace(CANARY[:6] + "****", "")
    assert CANARY.encode() not in _raw_database()
    assert Account.objects.get(username="CAN1").national_id == CANARY


def _raw_database():
    from django.db import connection

    if connection.vendor != "sqlite":
        return b""
    connection.ensure_connection()
    return connection.connection.serialize()


def test_workbooks_name_nobody_beside_their_cells(traces):
    workbooks = 0
    for answer in traces["answers"]:
        if not answer.taken.startswith(b"PK"):
            continue
        workbooks += 1
        with zipfile.ZipFile(io.BytesIO(answer.taken)) as book:
            for part in book.namelist():
                text = book.read(part).decode("utf-8", "replace")
                assert CANARY not in text, part
                if part.startswith("docProps"):
                    assert NAME not in text
                    assert "IC1001" not in text
    assert workbooks == 2


def test_passwords_of_archives_are_kept_nowhere(traces):
    rows = json.dumps(list(ImportRun.objects.values()), default=str)
    for word in ("secret-word", "other-secret"):
        assert word not in traces["logs"] + traces["headers"] + rows
