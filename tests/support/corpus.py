"""Bad and odd inputs, each with the outcome that a clerk is owed (docs/explain/laws.md).

A table: what the file is, and what must become of it.  The outcomes are written by hand; the laws
that hold after each stand in test_corpus.py.
"""

import zipfile
from dataclasses import dataclass
from datetime import timedelta

from ismp.hours.portal_import.layout import COLUMNS, NAMES, TITLES
from tests.support import scenarios
from tests.support.scenarios import TODAY, encode, file, row, table

PASSWORD = "Abc12345"
TOMORROW = TODAY + timedelta(days=1)
CSV = file(row())
TWO = (row(), row(term="2"))


def roc(day) -> str:
    return f"{day.year - 1911}-{day:%m-%d}"


@dataclass(frozen=True)
class Case:
    name: str
    data: bytes
    rejections: tuple[tuple[int, str], ...] = ()
    total: int = 1
    refused: str = ""
    """Words that the sentence must hold when the file is refused as a whole."""
    notes: int = 0
    """Rows imported although the name is somebody else's."""
    password: str | None = None
    filename: str = "成績.csv"


def taken(name, data, *rejections, total=1, **more) -> Case:
    return Case(name, data, tuple(rejections), total, **more)


def refused(name, data, words, **more) -> Case:
    return Case(name, data, total=0, refused=words, **more)


def cells(case, code=None, /, notes=0, **changes) -> Case:
    """A file of one row, UTF-8, with some cells changed, and the code it gets (None: imported)."""
    data = file(row(**changes), codec="utf-8")
    return taken(case, data, *([(2, code)] if code else []), notes=notes)


HARD = "許功蓋碁銹裏墻恒粧嫺"
RARE = "堃煊啓喆犇峯羣"
TEXT = table([row(title=HARD)])
BROKEN = file(row(title="@@")).replace(b"@@", b"\xff")
ENCODINGS = [
    taken("cp950", CSV),
    taken("cp950 with trailing backslashes and bars", file(row(title=HARD))),
    taken("utf-8", encode(TEXT, "utf-8")),
    taken("utf-8 with a mark", encode(TEXT, "utf-8", bom=True)),
    taken("utf-16 little", encode(TEXT, "utf-16-le", bom=True)),
    taken("utf-16 big", encode(TEXT, "utf-16-be", bom=True)),
    taken("utf-16 of Excel, tabs", encode(table([row()], sep="\t"), "utf-16-le", bom=True)),
    taken("utf-16 without a mark", encode(TEXT, "utf-16-le")),
    taken("characters cp950 lacks", encode(table([row(title=RARE)]), "utf-8")),
    taken("user-defined character in a name", file(row(name="王小\ue000"))),
    taken("user-defined characters of all rows", file(row(title="\ue000\ue09d\ue310"))),
    taken("question mark for a rare character", file(row(national_id=scenarios.WANG_KUN, name="王?"))),
    taken("user-defined areas below FA40", file(row(title="@@@")).replace(b"@@@", b"\x81\x40\x8e\x40\xc6\xa1")),
    taken("half a character before a quote", file(row(title="@@"), quote="all").replace(b"@@", b"\xa4")),
    taken("one stray byte in a title", BROKEN),
    taken("one stray byte in a number", CSV.replace(b"A1234", b"A1\xff34"), (2, "id-invalid")),
    taken("header cp950, body utf-8", file() + table([row(title=RARE)]).split("\r\n", 1)[1].encode()),
    taken("header utf-8, body cp950", table([]).encode() + CSV.split(b"\r\n", 1)[1]),
    taken("body in two codecs", CSV + table([row(term="2")]).split("\r\n", 1)[1].encode(), total=2),
    refused("gb18030", TEXT.encode("gb18030"), "標題列"),
    refused("shift-jis", table([row()]).encode("shift_jis", "replace"), "標題列"),
    refused("latin-1 noise", bytes(range(128, 256)) * 20, "標題列"),
]  # fmt: skip

HEAD, LINE = table([row()]).split("\r\n")[:2]
STRUCTURES = [
    taken("LF", file(row(), newline="\n")),
    taken("CR", file(row(), newline="\r")),
    taken("no last newline", file(row(), end=False)),
    taken("blank lines", file(row(), "", "  ", row(term="2"), ""), total=2),
    taken("a line of commas is a record", file(row(), "," * 21), (3, "id-missing"), total=2),
    taken("quoted newline", file(row(title="甲\r\n乙"))),
    taken("doubled quotes", file(row(title='甲"乙"丙'))),
    taken("all quoted", file(row(), quote="all")),
    taken("semicolons", file(row(), sep=";")),
    taken("tabs", file(row(), sep="\t")),
    taken("sep= above", file(row(), above=["sep=,"])),
    taken("title lines above", file(row(), above=["終身學習時數", "115年度", ""])),
    taken("NUL inside", file(row(title="甲\0乙"))),
    taken("Ctrl-Z at the end", CSV + b"\x1a"),
    taken("Ctrl-Z to the end of the block", CSV + b"\x1a" * 128),
    taken("Ctrl-Z and NULs to the end of the block", CSV + b"\x1a" + bytes(127)),
    taken("a line of a pair of quotes is a record", file(row(), '""', row(term="2")), (3, "columns"), total=3),
    taken("a line of tabs between tabs is a record", file(row(), "\t" * 21, sep="\t"), (3, "id-missing"), total=2),
    taken("a line of tabs between commas is blank", file(row(), "\t\t", row(term="2")), total=2),
    taken("ten lines above", file(row(), above=["x"] * 10)),
    refused("eleven lines above", file(row(), above=["x"] * 11), "標題列"),
    taken("control characters in a title", file(row(title="甲\x01乙\x0b丙\x7f"), row(title="甲乙丙")), (3, "duplicate-in-file"), total=2),
    taken("U+2028 is text", encode(table([row(title="甲\u2028乙")]), "utf-8")),
    taken("Excel guards", file(row(national_id=f'="{scenarios.WANG}"', total='="3"'))),
    taken("a trailing comma on each row", encode(HEAD + "\r\n" + LINE + ",\r\n")),
    taken("unquoted comma in a title", file(row(), LINE.replace("資通安全概論", "資通,安全")), (3, "columns"), total=2),
    taken("a field too few", file(row(), LINE.rsplit(",", 1)[0]), (3, "columns"), total=2),
    taken("a cell of 131,073 characters", file(row(title="名" * 131_073)), (2, "too-long")),
    taken("an unquoted cell with a quote inside", file(LINE.replace("資通安全概論", '資"通"安全'))),
    refused("unclosed quote", file(row(), LINE.replace("資通", '"資通')), "引號"),
    refused("text after a closing quote", file(LINE.replace("資通安全概論", '"資通"安全')), "引號"),
    refused("cut in the middle of a quote", file(*TWO, quote="all")[:-60], "引號"),
    taken("cut in the middle of a row", file(*TWO)[:-30], (3, "columns"), total=2),
    refused("10,000 columns", file(header=HEAD + ",x" * 10_000), "欄"),
    refused("no row", file(), "沒有"),
    refused("nothing at all", b"", "空"),
    refused("only blank lines", b"\r\n\r\n", "標題列"),
]  # fmt: skip

REVERSED = tuple(reversed(NAMES))
SWAPPED = table([row()]).replace("起日期,迄日期", "迄日期,起日期")
HEADERS = [
    *(
        refused(f"without {column.title}", file(row(), columns=[n for n in NAMES if n != column.name]), column.tick or column.title)
        for column in COLUMNS
    ),
    *(
        taken(f"header {alias}", file(row(), header=HEAD.replace("身分證字號", alias, 1)))
        for alias in ("身份證字號", "*身分證字號", " 身分證 字號 ", "身分證號", "國民身分證統一編號")
    ),
    taken("full-width brackets in a header", encode(table([row()]).replace("(構)", "（構）"), "utf-8")),
    taken("another order", file(row(), columns=REVERSED)),
    taken("an extra column", file(row(), columns=[*NAMES, "備註"])),
    taken("blank extra columns", file(row(), columns=[*NAMES, "", ""])),
    taken("two headers swapped", encode(SWAPPED), (2, "date-order")),
    taken("header twice", file(HEAD, row()), (2, "id-invalid"), total=2),
    refused("a column twice", file(row(), columns=[*NAMES, "name"]), "姓名"),
    refused("no header", file(row()).split(b"\r\n", 1)[1], "標題列"),
    refused("the portal's upload form", encode("*身分證字號,*名稱,*起始日期,*姓名,*上課縣市,出勤上課狀況,開課起始時間\r\n"), "上傳"),
]  # fmt: skip

DATES = [
    *(
        cells(f"date {day}", started_on=day, ended_on=day)
        for day in (
            "1150101", "115-01-05", "115/1/5", "115.01.05", "民國115年1月5日", "115年1月5日", "990101",
            "0990101", "1130229", "１１５-０１-０５", "115-01-05 09:00", "2026-01-05", "2026/1/5", "20260105",
            roc(TODAY),
        )
    ),
    *(
        cells(f"no date {day}", "date-invalid", started_on=day)
        for day in (
            "1150229", "01/05/2026", "115-13-01", "115-1/5", "46000", "79-12-31", "今天", "-115-01-01",
            "115-01", "一一五年一月五日", "٢٠٢٦-٠١-٠٥",
        )
    ),
    cells("迄 before 起", "date-order", started_on="115-01-07"),
    cells("ends tomorrow", "date-future", ended_on=roc(TOMORROW)),
    cells("across the year's end", started_on="114-12-30", ended_on="115-01-02"),
    cells("迄 cannot be read", "date-invalid", ended_on="昨天"),
]  # fmt: skip

NONE = {"total": "", "digital_hours": "", "classroom_hours": ""}
NUMBERS = [
    *(
        cells(f"hours {n}", **{**NONE, "digital_hours": n})
        for n in ("3", "3.0", "３", "0", "0.05", "003", " 3 ", "2.500", "48")
    ),
    *(
        cells(f"no hours {n[:9]}", "hours-invalid", **{**NONE, "digital_hours": n})
        for n in (
            "-3", "+3", "NaN", "Infinity", "1e309", "1_000", "1,000", "9" * 400, "3小時", "٣", "三", "0.0005",
            "48.001", "=1+2", "3.", ".5", "1 2", "1\u200b2", "1;5", "0x1F", "1e1", "½", "３小時",
        )
    ),
    cells("25 hours in a day", "hours-invalid", started_on="115-01-06", **{**NONE, "total": "25"}),
    cells("total alone", **{**NONE, "total": "3"}),
    cells("total in 小時", unit="小時", **{**NONE, "total": "3"}),
    cells("total in 時", unit="時", **{**NONE, "total": "3"}),
    cells("total in 天", "unit", unit="天", **{**NONE, "total": "1"}),
    cells("total in 學分", "unit", unit="6", **{**NONE, "total": "1"}),
    cells("total without a unit", "unit", unit="", **{**NONE, "total": "1"}),
    cells("天 with hours beside", unit="2", total="1"),
    cells("parts do not make the total", "hours-sum", total="4"),
    cells("halves make the total", total="3.5", digital_hours="1.4", classroom_hours="2.1"),
    cells("total is no number", "hours-invalid", total="三"),
    cells("no hours at all", "required", **NONE),
]  # fmt: skip

IDS = [
    cells("small letters", national_id=scenarios.WANG.lower()),
    cells("full width", national_id="".join(chr(ord(c) + 0xFEE0) for c in scenarios.WANG)),
    cells("spaces and zero-width inside", national_id=f" {scenarios.WANG[:4]}\u200b {scenarios.WANG[4:]}\u202e"),
    cells("soft hyphen and direction marks", national_id=f"\u200e{scenarios.WANG[:5]}\u00ad{scenarios.WANG[5:]}\u2069"),
    cells("Arabic letter mark", national_id=f"\u061c{scenarios.WANG}"),
    cells("Arabic digits", "id-invalid", national_id=scenarios.WANG[:9] + "٣"),
    cells("wrong check digit", "id-invalid", national_id="A123456788"),
    cells("masked", "id-invalid", national_id="A12345****"),
    cells("too short", "id-invalid", national_id="A12345678"),
    cells("passport", "id-invalid", national_id="300123456"),
    cells("new 統一證號, 8", national_id=scenarios.SANTOS, name="Maria Santos"),
    cells("new 統一證號, 9", national_id=scenarios.TANAKA, name="田中花子"),
    cells("old 統一證號", national_id=scenarios.RUAN, name="阮氏香"),
    cells("left", "no-account", national_id=scenarios.LEFT),
    cells("moved away", "no-account", national_id=scenarios.MOVED_AWAY),
    cells("moved in", national_id=scenarios.MOVED_IN, name="蔡宜庭"),
    cells("of another agency", "no-account", national_id=scenarios.OF_B),
    cells("nobody", "no-account", national_id=scenarios.NOBODY),
    cells("two accounts, one in office", national_id=scenarios.TWICE, name="周杰明"),
    cells("missing", "id-missing", national_id=""),
    cells("only spaces", "id-missing", national_id=" \u3000"),
    cells("another name", notes=1, name="王大明"),
    cells("a name with spaces", name="王 小　明"),
    cells("variant characters", national_id=scenarios.CHEN_FENG, name="陳峰"),
    cells("台 for 臺", national_id=scenarios.LIN, name="林台芬"),
    cells("no name", name=""),
    cells("dots and blanks in a name", national_id=scenarios.BILING, name="比令．伊斯坦大"),
]  # fmt: skip

ROWS = [
    *(
        cells(f"category {text}", category=text)
        for text in ("523", "資通安全(通識)", "資通安全（通識）", "522 資通安全(通識)", "資通安全(專業、職能)", "資通安全(專業,職能)523", "資通安全(通識)(522)", "(522)資通安全(通識)")
    ),
    *(
        cells(f"no category {text}", "category", category=text)
        for text in ("501", "521", "5220", "資通安全", "522 資通安全(專業、職能)", "五二二", "-522", "5-22", "5.22", "522.0", "522 523")
    ),
    *(cells(f"empty {TITLES[name]}", "required", **{name: " "}) for name in ("title", "started_on", "ended_on", "category")),
    cells("2,000 characters", title="名" * 2_000),
    cells("2,001 characters", "too-long", title="名" * 2_001),
    cells("id before all", "id-invalid", national_id="X", title="", category="x", total="x"),
    cells("account before required", "no-account", national_id=scenarios.NOBODY, title=""),
    cells("required before category", "required", title="", category="501"),
    cells("category before date", "category", category="501", started_on="x"),
    cells("date before hours", "date-invalid", ended_on="x", total="x"),
    cells("hours before sum", "hours-invalid", total="1000", digital_hours="900"),
    taken("the same row twice", file(row(), row()), (3, "duplicate-in-file"), total=2),
    taken("the same event otherwise", file(row(), row(score="9")), (3, "conflict-in-file"), total=2),
    taken("one of each", file(row(), row(score="9"), row()), (3, "conflict-in-file"), (4, "duplicate-in-file"), total=3),
    taken("another 期別", file(*TWO), total=2),
    taken("another organiser", file(row(), row(organizer_code="B")), total=2),
    taken("another person", file(*scenarios.rows_of((scenarios.WANG, scenarios.XU))), total=2),
    taken("a bad row is no first", file(row(total="9"), row()), (2, "hours-sum"), total=2),
    taken("a number in a title is stored hidden", file(row(title=f"課程{scenarios.XU}")), total=1),
    taken("twice but for blanks", file(row(), row(title=" 資通安全概論 ")), (3, "duplicate-in-file"), total=2),
    taken("twice but for an invisible character", file(row(title="資安課程"), row(title="資安\u200b課程"), row(title="\ufeff資安課程"), codec="utf-8"), (3, "duplicate-in-file"), (4, "duplicate-in-file"), total=3),
    taken("twice but for width and composition", file(row(term="1", title="Caf\u00e9"), row(term="１", title="Cafe\u0301"), codec="utf-8"), (3, "duplicate-in-file"), total=2),
    taken("twice but for the case of a code", file(row(organizer_code="382000000A"), row(organizer_code="382000000a")), (3, "duplicate-in-file"), total=2),
    taken("twice but for zeros", file(row(), row(total="3.0")), (3, "duplicate-in-file"), total=2),
]  # fmt: skip

HOSTILE = ("=1+1", "@SUM(A1)", "+8", "-8", "\t=1", "<script>alert(1)</script>", "{{7*7}}", '" hx-get="/x"', "\u202e反\u200b", "%_'\\;--", "甲\r\n乙", "http://evil.example")  # fmt: skip
FAULT_OF = {
    "national_id": "id-invalid",
    "category": "category",
    **dict.fromkeys(("started_on", "ended_on"), "date-invalid"),
    **dict.fromkeys(("total", "digital_hours", "classroom_hours"), "hours-invalid"),
}
"""What becomes of a row with nonsense in this column; in all others it is just text."""
HARMFUL = (
    "=cmd|' /C calc'!A0",
    "http://evil.example",
    "{{7*7}}{% debug %}",
    "<img src=x onerror=alert(1)>",
)


def hostile_in(name) -> Case:
    """One column, one harmful text a row; each row an event of its own day."""
    days = [f"115-01-{day:02}" for day in range(10, 10 + len(HARMFUL))]
    rows = [
        row(**{"started_on": day, "ended_on": day, name: text})
        for day, text in zip(days, HARMFUL, strict=True)
    ]
    faults = [(line, FAULT_OF[name]) for line in range(2, 2 + len(HARMFUL)) if name in FAULT_OF]
    notes = len(HARMFUL) if name == "name" else 0
    return taken(
        f"harmful texts in {TITLES[name]}", file(*rows), *faults, total=len(HARMFUL), notes=notes
    )


HOSTILE_TEXT = [
    *(cells(f"title {text!r}", title=f"課{text}" if text == "\t=1" else text) for text in HOSTILE),
    *(hostile_in(name) for name in NAMES),
    *(
        taken(f"file named {name[:20]!r}", CSV, filename=name)
        for name in ("", "=1+1.csv", "../../etc/passwd", "C:\\x\\y.csv", "<script>.csv", "{{7*7}}.csv", "a\r\nSet-Cookie: x.csv", "\u202evsc.成績", "名" * 400, "%_'--.csv", "a\0b.csv", "\udcff.csv")
    ),
    cells("formula in a number", "hours-invalid", total='=HYPERLINK("x")'),
    cells("formula in a date", "date-invalid", started_on="=TODAY()"),
    cells("formula in a category", "category", category="=522"),
]  # fmt: skip


def nested() -> bytes:
    return scenarios.zip_plain({"a.csv": scenarios.zip_plain({"b.csv": CSV})})


def patched(archive: bytes, at: int, value: bytes, signature=b"PK\x01\x02") -> bytes:
    """The archive with some bytes changed, counted from its last such signature."""
    place = archive.rindex(signature) + at
    return archive[:place] + value + archive[place + len(value) :]


def squeezed(method: int) -> bytes:
    """An archive whose compressed bytes are damaged in the middle."""
    whole = scenarios.zip_plain({"a.csv": file(*TWO) * 9}, method=method)
    return whole[:60] + bytes(20) + whole[80:]


PLAIN = scenarios.zip_plain({"a.csv": CSV})
PAIR = scenarios.zip_plain({"a.csv": CSV, "Thumbs.db": CSV})
LOCKED = scenarios.zip_aes({"成績.csv": CSV}, PASSWORD)
OLD_LOCKED = scenarios.zip_crypto("a.csv", CSV, PASSWORD)
CONTAINERS = [
    taken("zip", scenarios.zip_plain({"a.csv": CSV})),
    taken("zip, Big5 entry name", scenarios.zip_plain({"成績.csv": CSV}, big5_names=True)),
    taken("zip with rubbish", scenarios.zip_plain({"a.csv": CSV, "__MACOSX/._a.csv": b"x", "Thumbs.db": b"x"})),
    taken("zip with a folder", scenarios.zip_plain({"成績/": b"", "成績/a.csv": CSV})),
    taken("AES", LOCKED, password=PASSWORD),
    taken("ZipCrypto", OLD_LOCKED, password=PASSWORD),
    refused("AES, no password", LOCKED, "密碼"),
    refused("AES, wrong password", LOCKED, "密碼", password="nope"),
    refused("ZipCrypto, no password", OLD_LOCKED, "密碼"),
    refused("ZipCrypto, wrong password", OLD_LOCKED, "密碼", password="nope"),
    refused("two CSVs", scenarios.zip_plain({"a.csv": CSV, "b.csv": CSV}), "2 個"),
    refused("no CSV", scenarios.zip_plain({"a.pdf": b"%PDF", "b.txt": b"x"}), "沒有 CSV"),
    refused("nothing in it", scenarios.zip_plain({}), "沒有 CSV"),
    refused("nested", nested(), "壓縮檔"),
    refused("an archive inside", scenarios.zip_plain({"a.zip": scenarios.zip_plain({"a.csv": CSV})}), "壓縮檔"),
    refused("traversal", scenarios.zip_plain({"../a.csv": CSV}), "資料夾"),
    refused("truncated", scenarios.zip_plain({"a.csv": CSV})[:-30], "損壞"),
    taken("zip with a note beside", scenarios.zip_plain({"a.csv": CSV, "readme.txt": b"x"})),
    taken("zip of bzip2", scenarios.zip_plain({"a.csv": CSV}, method=zipfile.ZIP_BZIP2)),
    taken("zip of LZMA", scenarios.zip_plain({"a.csv": CSV}, method=zipfile.ZIP_LZMA)),
    refused("only something else than a CSV", scenarios.zip_plain({"a.txt": CSV}), "沒有 CSV"),
    refused("traversal by backslashes", scenarios.zip_plain({"..\\a.csv": CSV}), "資料夾"),
    refused("an absolute path", scenarios.zip_plain({"/etc/a.csv": CSV}), "資料夾"),
    refused("a bomb", patched(PLAIN, 24, (2**31).to_bytes(4, "little")), "MB"),
    refused("overlapping entries", patched(PAIR, 42, bytes(4)), "重疊"),
    *(refused(f"damaged, method {method}", squeezed(method), "損壞") for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
    refused("an unknown compression", patched(patched(PLAIN, 10, b"\x63"), 8, b"\x63", b"PK\x03\x04"), "損壞"),
    refused("a local name that is no UTF-8", patched(patched(PLAIN, 9, b"\x08"), 30, b"\xff\xfe", b"PK\x03\x04"), "損壞"),
    refused("AES of unknown strength", LOCKED.replace(b"AE\x03", b"AE\xd7"), "損壞", password=PASSWORD),
    refused("ZipCrypto without its header", patched(OLD_LOCKED, 20, bytes(4)), "密碼", password=PASSWORD),
    refused("an empty CSV", scenarios.zip_plain({"a.csv": b""}), "空"),
    refused("xlsx", scenarios.zip_plain({"[Content_Types].xml": b"x", "xl/workbook.xml": b"x"}), "Excel"),
    refused("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel"),
    refused("PDF", b"%PDF-1.7\n", "PDF"),
    refused("HTML", b"\r\n<!DOCTYPE html><html>", "網頁"),
    refused("an HTML table", "<table><tr><td>身分證字號".encode(), "網頁"),
    refused("RAR", b"Rar!\x1a\x07\x01\x00", "RAR"),
    refused("7z", b"7z\xbc\xaf\x27\x1c\x00", "7z"),
    refused("gzip", b"\x1f\x8b\x08\x00", "壓縮"),
]  # fmt: skip

CASES = [
    *ENCODINGS, *STRUCTURES, *HEADERS, *DATES, *NUMBERS, *IDS, *ROWS, *HOSTILE_TEXT, *CONTAINERS
]  # fmt: skip
