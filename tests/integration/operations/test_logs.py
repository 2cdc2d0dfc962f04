"""JSON log lines: one object a line, with the numbers that correlate lines."""

import io
import json
import logging

import pytest
from django.conf import settings

from ismp.accounts.national_id.log_masking import JsonFormatter
from ismp.imports import views as imports_views
from tests.support.installations import Place
from tests.support.portal_files import data, row

pytestmark = pytest.mark.django_db
ID, NAME = "A123456789", "王小明"
NAMED = f"{ID} {NAME}"


@pytest.fixture
def lines():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    own = logging.getLogger("ismp")
    level = own.level
    logging.root.addHandler(handler)
    own.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    own.setLevel(level)
    logging.root.removeHandler(handler)


def lines_by(lines, logger):
    return [line for line in lines() if line["logger"] == logger]


def test_a_line_for_each_request_tells_the_page_not_its_address(clerk, account, lines):
    clerk.get("/manage/learning-map/agency-hours/", {"field": "title", "q": "資通安全"})
    clerk.get(f"/no-such-page/{ID}/")
    found, missing = lines_by(lines, "ismp.access")
    assert found.pop("time").endswith("+00:00")
    assert len(found.pop("reference")) == 8
    assert 0 < found.pop("milliseconds") < 60_000
    assert found == {
        "version": settings.VERSION,
        "level": "INFO",
        "logger": "ismp.access",
        "event": "request",
        "method": "GET",
        "page": "hours:agency",
        "status": 200,
        "account": account("IC1001", "agency_admin").pk,
    }
    assert (missing["page"], missing["status"]) == ("other", 404)
    assert "account" not in missing or missing["account"]
    clerk.get(f"/{NAME}/")
    reported = json.dumps(lines(), ensure_ascii=False)
    assert ID not in reported and NAME not in reported


def test_an_error_its_page_and_its_request_share_one_reference(
    clerk, lines, import_bytes, monkeypatch
):
    run = import_bytes(data(row()))["run"]
    monkeypatch.setattr(imports_views.report, "rows", lambda *_: int(NAMED))
    clerk.raise_request_exception = False
    page = clerk.get(f"/manage/learning-map/runs/{run.pk}/rows/").content.decode()
    [error] = lines_by(lines, "django.request")
    [access] = lines_by(lines, "ismp.access")
    assert error["reference"] == access["reference"]
    assert error["reference"] in page
    assert error["error"].endswith("ValueError")
    assert "views.py" in error["error"]
    assert NAME not in json.dumps(lines(), ensure_ascii=False)


def test_lines_of_an_import_carry_its_number(import_bytes, lines):
    run = import_bytes(data(row(), row(term="2")))["run"]
    [line] = lines_by(lines, "ismp.imports.running")
    assert (line["run"], line["attempt"], line["rows"]) == (run.pk, 1, 2)
    import_bytes(b"")  # refused: nothing of the last one's marks is left
    assert len(lines_by(lines, "ismp.imports.running")) == 1


def test_the_setting_switches_all_lines(tmp_path):
    """Also those that a library writes, from the first line on."""
    say = "import django; django.setup(); import logging; logging.getLogger('x').error('三'); logging.getLogger('ismp.access').info('四')"
    for form, count in (("json", 2), ("line", 1)):
        place = Place(tmp_path / form, ISMP_LOG_FORMAT=form)
        done = place.python("-c", say)
        place.close()
        said = done.stderr.splitlines()
        assert len(said) == count, said
        if form == "json":
            assert [json.loads(line)["event"] for line in said] == ["三", "四"]
