"""The invented world of the tests: two agencies, their people, and builders of portal files.

Knows how a file may be written (codecs, separators, archives).  It knows neither Django nor what
the product makes of a file: expected outcomes stand in the corpus, reasons in the oracle.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pyzipper

from ismp.accounts.national_id import complete
from ismp.hours.portal_import.layout import NAMES, TITLES

AGENCY_A = "382990001A"
AGENCY_B = "382990002B"
AGENCY_NAMES = {AGENCY_A: "測試市政府資訊局", AGENCY_B: "測試市政府文化局"}

TODAY = datetime.now(ZoneInfo("Asia/Taipei")).date()

ROSTER_HEADER = (
    "機關代碼",
    "機關名稱",
    "部門",
    "公務帳號",
    "姓名",
    "身分證字號",
    "電子郵件",
    "資安列管身分",
    "狀態",
)

WANG, XU, WANG_KUN, CHEN_FENG, LIN, RUAN, SANTOS, TANAKA, BI, HUANG, BILING, ZHENG = (
    complete(first_nine)
    for first_nine in (
        "A12345601",
        "B22345602",
        "C12345603",
        "D12345604",
        "E22345605",
        "AC0123456",  # 舊式統一證號: two letters
        "F80012345",  # 新式統一證號: second digit 8
        "G90012346",  # 新式統一證號: second digit 9
        "H12345606",
        "J12345607",
        "K12345608",
        "L22345609",
    )
)
"""National IDs of agency A's people who can be found; every one of them is invented."""

LEFT = complete("M12345610")
MOVED_AWAY = complete("N12345611")
MOVED_IN = complete("P22345612")
TWICE = complete("Q12345613")
OF_B = complete("R22345614")
NOBODY = complete("S12345615")


def _person(agency: str, username: str, name: str, number: str, status: str = "在職") -> dict:
    department = "資訊科" if agency == AGENCY_A else "藝文科"
    values = (
        agency,
        AGENCY_NAMES[agency],
        department,
        username,
        name,
        number,
        f"{username}@example.invalid",
        "一般使用者及主管",
        status,
    )
    return dict(zip(ROSTER_HEADER, values, strict=True))


ROSTER: tuple[dict[str, str], ...] = (
    _person(AGENCY_A, "a-wang", "王小明", WANG),
    _person(AGENCY_A, "a-xu", "許功蓋", XU),
    _person(AGENCY_A, "a-kun", "王堃", WANG_KUN),
    _person(AGENCY_A, "a-feng", "陳峯", CHEN_FENG),
    _person(AGENCY_A, "a-lin", "林臺芬", LIN),
    _person(AGENCY_A, "a-ruan", "阮氏香", RUAN),
    _person(AGENCY_A, "a-santos", "Maria Santos", SANTOS),
    _person(AGENCY_A, "a-tanaka", "田中花子", TANAKA),
    _person(AGENCY_A, "a-bi", "碁銹裏", BI),
    _person(AGENCY_A, "a-huang", "黃煊喆", HUANG),
    _person(AGENCY_A, "a-biling", "比令·伊斯坦大", BILING),
    _person(AGENCY_A, "a-zheng", "鄭士犇", ZHENG),
    _person(AGENCY_A, "a-movedin", "蔡宜庭", MOVED_IN),
    _person(AGENCY_A, "a-twice-old", "周杰明", TWICE, "離職"),
    _person(AGENCY_A, "a-twice-new", "周杰明", TWICE),
    _person(AGENCY_A, "a-noid", "吳無號", ""),
    _person(AGENCY_A, "a-left", "李離職", LEFT, "離職"),
    _person(AGENCY_A, "a-moved", "趙調任", MOVED_AWAY, "離職"),
    _person(AGENCY_B, "b-moved", "趙調任", MOVED_AWAY),
    _person(AGENCY_B, "b-sun", "孫文化", OF_B),
    _person(AGENCY_B, "b-movedin", "蔡宜庭", MOVED_IN, "離職"),
    _person(AGENCY_B, "b-qian", "錢藝文", complete("T12345616")),
)
"""Agency A: 14 in office with an ID, one without, three who left.  Agency B: three in office."""

PEOPLE = {
    person["身分證字號"]: person["姓名"]
    for person in ROSTER
    if person["機關代碼"] == AGENCY_A and person["狀態"] == "在職" and person["身分證字號"]
}
"""{ID: 姓名} of everybody whose rows agency A can import."""


def roster_csv() -> bytes:
    """The roster of both agencies as an agency sends it: UTF-8 with BOM, CRLF."""
    lines = [ROSTER_HEADER, *(person.values() for person in ROSTER)]
    return ("\ufeff" + "".join(",".join(line) + "\r\n" for line in lines)).encode()


GOOD = {
    "national_id": WANG,
    "name": "王小明",
    "learning_type": "研習",
    "organizer_code": "382990001A",
    "organizer_name": "測試市政府資訊局",
    "department": "資訊科",
    "category": "522",
    "degree": "6",
    "title": "資通安全概論",
    "kind": "一般",
    "fee": "0",
    "term": "1",
    "started_on": "115-01-05",
    "ended_on": "115-01-06",
    "total": "3",
    "unit": "1",
    "score": "90",
    "certificate_no": "證字第001號",
    "nature": "1",
    "digital_hours": "3",
    "classroom_hours": "0",
    "job_related": "是",
}


def row(**changes: str) -> dict[str, str]:
    """A good row of 王小明, 民國 115, three digital hours, with the named columns changed."""
    unknown = set(changes) - set(NAMES)
    if unknown:
        raise KeyError(f"no such column: {unknown}")
    return {**GOOD, **changes}


def rows_of(people: Iterable[str]) -> list[dict[str, str]]:
    """A good row for each ID, under the name the account has."""
    return [row(national_id=number, name=PEOPLE[number]) for number in people]


def cell(text: str, sep: str, quote: str = "minimal") -> str:
    """One field as CSV writes it; quote is minimal, all or none."""
    must = any(mark in text for mark in (sep, '"', "\r", "\n"))
    if quote == "all" or (quote == "minimal" and must):
        return '"' + text.replace('"', '""') + '"'
    return text


def header_line(columns: Sequence[str] = NAMES, sep: str = ",", quote: str = "minimal") -> str:
    """The header of an export with these profile names, without its newline."""
    return sep.join(cell(TITLES.get(name, name), sep, quote) for name in columns)


def table(  # one keyword for each habit of a producer
    rows: Iterable[dict[str, str] | str],
    header: str | None = None,
    sep: str = ",",
    *,
    columns: Sequence[str] = NAMES,
    newline: str = "\r\n",
    quote: str = "minimal",
    end: bool = True,
    above: Sequence[str] = (),
) -> str:
    """A CSV text: `above`, the header, the rows; a row given as text stands as it is.

    `columns` are profile names (or other titles, for extra columns) in the order of the file;
    `header` replaces the header line; without `end` the last newline is missing.
    """
    lines = [*above, header_line(columns, sep, quote) if header is None else header]
    for each in rows:
        if isinstance(each, str):
            lines.append(each)
        else:
            lines.append(sep.join(cell(each.get(name, ""), sep, quote) for name in columns))
    return newline.join(lines) + (newline if end else "")


BOMS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


def encode(text: str, codec: str = "cp950", *, bom: bool = False) -> bytes:
    """Bytes of the text; in cp950 U+E000…U+E310 become Windows' user-defined FA40…FEFE."""
    if codec == "cp950":
        return b"".join(_cp950(char) for char in text)
    return (BOMS[codec] if bom else b"") + text.encode(codec)


def _cp950(char: str) -> bytes:
    if not 0xE000 <= ord(char) <= 0xE310:
        return char.encode("cp950")
    lead, trail = divmod(ord(char) - 0xE000, 157)
    return bytes((0xFA + lead, trail + (0x40 if trail < 63 else 0xA1 - 63)))


def file(*rows: dict[str, str] | str, codec: str = "cp950", **how) -> bytes:
    """The bytes of an ordinary export (CP950) with these rows."""
    return encode(table(rows, **how), codec)


# Archives


def zip_plain(
    entries: dict[str, bytes], *, big5_names: bool = False, method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A ZIP without a password; with `big5_names` entry names are CP950, unmarked, as Windows does."""
    buffer = io.BytesIO()
    places = {}
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for number, (name, data) in enumerate(entries.items()):
            place = f"{number}".rjust(len(name.encode("cp950")), "_") if big5_names else name
            archive.writestr(place, data)
            places[place] = name
    whole = buffer.getvalue()
    for place, name in places.items() if big5_names else ():
        whole = whole.replace(place.encode(), name.encode("cp950"))
    return whole


def zip_aes(entries: dict[str, bytes], password: str) -> bytes:
    """A ZIP with WinZip AES-256."""
    buffer = io.BytesIO()
    with pyzipper.AESZipFile(
        buffer, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as archive:
        archive.setpassword(password.encode())
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def zip_crypto(name: str, data: bytes, password: str) -> bytes:
    """A ZIP of one stored entry under the traditional PKWARE cipher (APPNOTE 6.1)."""
    crc = zlib.crc32(data)
    encrypted = _pkware(bytes(11) + bytes((crc >> 24,)) + data, password.encode())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(name, encrypted)
    raw = bytearray(buffer.getvalue())
    # local header: flags at 6, CRC at 14, size at 22; central: flags at 8, CRC at 16, size at 24
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = raw.rindex(signature) if shift else raw.index(signature)
        raw[at + 6 + shift] |= 1
        raw[at + 14 + shift : at + 18 + shift] = crc.to_bytes(4, "little")
        raw[at + 22 + shift : at + 26 + shift] = len(data).to_bytes(4, "little")
    return bytes(raw)


_CRC = [0] * 256
for _n in range(256):
    _c = _n
    for _ in range(8):
        _c = (_c >> 1) ^ (0xEDB88320 if _c & 1 else 0)
    _CRC[_n] = _c


def _pkware(plain: bytes, password: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = (keys[0] >> 8) ^ _CRC[(keys[0] ^ byte) & 0xFF]
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = (keys[2] >> 8) ^ _CRC[(keys[2] ^ (keys[1] >> 24)) & 0xFF]

    for byte in password:
        update(byte)
    encrypted = bytearray()
    for byte in plain:
        pad = keys[2] | 2
        encrypted.append(byte ^ ((pad * (pad ^ 1) >> 8) & 0xFF))
        update(byte)
    return bytes(encrypted)
