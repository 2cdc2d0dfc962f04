"""`ismp make_export`: each choice of the portal's form does what it says, on any machine alike."""

import pytest
import pyzipper
from django.core.management import CommandError, call_command

from ismp.accounts import demo_data
from ismp.accounts.actions import postings
from ismp.hours.portal_export import ExportChoices, export
from ismp.ui.text import roc_dates

AGENCY = "382990002Z"


@pytest.fixture
def made(tmp_path):
    """Make an export with options; returns its path."""

    def make(name="成績.csv", **options):
        path = tmp_path / name
        call_command("make_export", str(path), agency=options.pop("agency", AGENCY), **options)
        return path

    return make


def test_the_same_choices_make_the_same_bytes(made):
    first = made("a.csv", rows=5_000, seed=7).read_bytes()
    assert made("b.csv", rows=5_000, seed=7).read_bytes() == first
    assert made("c.csv", rows=5_000, seed=8).read_bytes() != first
    own = [p for p in demo_data.city() if p.agency_code == AGENCY]
    choices = ExportChoices(roc_dates.parse("115-01-01"), roc_dates.parse("115-11-20"), seed=7)
    assert export(own, 5_000, choices) == first


@pytest.mark.parametrize("encoding", ["cp950", "utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_has_the_same_rows(made, encoding):
    text = made(rows=2_500, encoding=encoding).read_bytes().decode(encoding)
    assert text.count("\r\n") == 2_501
    assert text.startswith('"身分證字號","姓名","學習類別"')


def test_the_boxes_and_the_categories(made):
    head = made(rows=1, no_category_column=True, no_department_column=True).read_text("cp950")
    assert "課程類別" not in head and "部門單位" not in head
    only = made(rows=200, category=["523"], bad_share=0.0).read_text("cp950")
    assert '"523"' in only and '"522"' not in only


@pytest.mark.django_db
def test_good_rows_are_all_imported_and_bad_ones_by_their_share(made, import_bytes):
    good = import_bytes(made(rows=900, bad_share=0.0).read_bytes(), agency=AGENCY)
    assert {fault["code"] for fault in good["rejections"]} <= {"no-account"}
    locked = made("成績.zip", rows=2_000, seed=3, bad_share=0.2, password="Abc12345").read_bytes()
    bad = import_bytes(locked, agency=AGENCY, password="Abc12345")
    codes = {fault["code"] for fault in bad["rejections"]} - {"no-account"}
    assert codes == {
        "id-missing",
        "id-invalid",
        "required",
        "category",
        "date-invalid",
        "date-order",
        "hours-invalid",
        "hours-sum",
        "unit",
        "duplicate-in-file",
        "conflict-in-file",
    }
    left = len(good["rejections"]) / 900
    assert 0.15 < bad["rejected"] / 2_000 - left < 0.25


def test_the_archive_holds_the_plain_file(made):
    with pyzipper.AESZipFile(made("成績.zip", rows=50, password="Abc12345")) as archive:
        archive.setpassword(b"Abc12345")
        assert archive.namelist() == ["成績.csv"]
        assert archive.read("成績.csv") == made("成績.csv", rows=50).read_bytes()


@pytest.mark.django_db
def test_an_invented_nation_and_its_roster_fit_together(made, tmp_path, import_bytes):
    roster = tmp_path / "roster.csv"
    path = made(rows=300, agency=None, people=120, agencies=4, roster_out=roster, bad_share=0.0)
    postings.import_roster(roster.read_bytes(), by="test")
    result = import_bytes(path.read_bytes(), agency="390000000Z")
    assert result["created"] >= 60
    again = made("b.csv", rows=300, agency="390000001Z", roster=roster, bad_share=0.0)
    assert import_bytes(again.read_bytes(), agency="390000001Z")["rejected"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rows": 0}, "列數"),
        ({"rows": 1_000_001}, "列數"),
        ({"start": "114-12-31"}, "同一個年度"),
        ({"start": "1/5/2026"}, "115-01-01"),
        ({"bad_share": 2.0}, "比例"),
        ({"agency": "nowhere"}, "機關代碼"),
        ({"people": 1, "agencies": 2}, "人數"),
        ({"name": "no/such/folder.csv"}, "無法寫入"),
    ],
)
def test_what_cannot_be_made_is_said_in_chinese(made, options, words):
    with pytest.raises(CommandError, match=words):
        made(**options)
