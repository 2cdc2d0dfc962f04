"""Opening the archive around a file: ZIP, plain or with a password (ZipCrypto and AES).

Nothing is ever extracted to disk, and the cap on unpacked bytes is our own: some interpreters
inflate overlapping entries without end.  No Django.
"""

import contextlib
import io
import lzma
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

import pyzipper

from ismp.imports.rejection import OtherTypes, too_large
from ismp.ui.reading import file_types
from ismp.ui.reading.faults import FileRejected
from ismp.ui.reading.raw import Limits

_JUNK = re.compile(
    r"(^|/)(__MACOSX/|\._[^/]*$|\.DS_Store$|Thumbs\.db$|desktop\.ini$|~\$[^/]*$)", re.IGNORECASE
)
"""What programs and systems put beside the files, AppleDouble's `._` too."""
_ARCHIVES = (".zip", ".rar", ".7z", ".gz", ".tar", ".xz", ".bz2")
_PIECE = 1024 * 1024
_UNREADABLE = (
    RuntimeError,  # NotImplementedError too
    zlib.error,
    lzma.LZMAError,
    struct.error,
    pyzipper.BadZipFile,
    EOFError,
    OSError,
    ValueError,  # UnicodeError too
    LookupError,
)
"""What a damaged archive raises, depending on where the damage is."""
_DAMAGED = "這個壓縮檔已損壞或不完整，請重新下載後再上傳。"
ASKS_PASSWORD = "這個壓縮檔有密碼，請輸入在入口網設定的檔案密碼。"  # noqa: S105


class PasswordNeeded(FileRejected):
    """The archive has a password, and none or a wrong one was given."""


def is_zip(data: bytes) -> bool:
    """Whether the bytes are an archive; `.xlsx` is one too and is told apart on opening."""
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))


class Archive:
    """The one CSV in an archive, found by the archive's directory; nothing is unpacked yet."""

    def __init__(self, file: IO[bytes], limits: Limits, other_types: OtherTypes) -> None:
        """Raises FileRejected: damaged, a document of another program, no CSV, several, a bomb."""
        self._zip, self._limits, self._other_types = _open(file), limits, other_types
        file.seek(0)
        names = self._zip.namelist()
        if sentence := file_types.kind_of_archive(names, file.read(200)):
            words = file_types.words("CSV", other_types.instead, as_it_came=other_types.as_it_came)
            raise FileRejected(sentence.format(**words))
        if _holds_workbook(self._zip):
            saved = "，不要用 Excel 另存" if other_types.as_it_came else ""
            raise FileRejected(f"這是 Excel 檔（.xlsx），不是 CSV；{other_types.instead}{saved}。")
        self._entry = _only_csv(self._zip)
        if self._entry.file_size > limits.max_bytes:
            raise FileRejected(too_large(limits))

    @property
    def has_password(self) -> bool:
        return bool(self._entry.flag_bits & 1)

    def pieces(self, password: bytes | None = None) -> Iterator[bytes]:
        """The CSV, piece by piece.  Raises FileRejected, and PasswordNeeded for a wrong password.

        One byte or two tell a wrong password, so it may show only later, and as damage.
        """
        if self.has_password and password is None:
            raise PasswordNeeded(ASKS_PASSWORD)
        try:
            yield from self._proven(password)
        except FileRejected:
            raise
        except _UNREADABLE as error:
            if password is None or isinstance(error, struct.error | LookupError):
                raise FileRejected(_DAMAGED) from error
            raise PasswordNeeded("檔案密碼不正確，請重新輸入在入口網設定的密碼。") from error

    def _proven(self, password: bytes | None) -> Iterator[bytes]:
        pieces = _inflated(self._zip, self._entry, password, self._limits.max_bytes, self._limits)
        head = next(pieces, b"")
        if is_zip(head):
            raise FileRejected("壓縮檔裡還有壓縮檔，請解開後直接上傳裡面的 CSV 檔。")
        self._other_types.refuse(head)
        yield head
        yield from pieces


def is_workbook(file: IO[bytes]) -> bool:
    """Whether an archive is an .xlsx."""
    try:
        with pyzipper.AESZipFile(file) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except _UNREADABLE:
        return False


def encoded(password: str) -> Iterator[bytes]:
    """The bytes that a password may be for the program that made the archive."""
    for codec in ("utf-8", "cp950"):
        with contextlib.suppress(UnicodeError):
            yield password.encode(codec)


def _open(file: IO[bytes]) -> pyzipper.AESZipFile:
    try:
        return pyzipper.AESZipFile(file)
    except _UNREADABLE as error:
        raise FileRejected(_DAMAGED) from error


def _files(archive: pyzipper.AESZipFile) -> list[pyzipper.ZipInfo]:
    """Members of the archive.  Raises FileRejected for names that lead elsewhere, and for archives
    inside of it."""
    found = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not _JUNK.search(entry.filename)
    ]
    for entry in found:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
            raise FileRejected(
                "壓縮檔裡的檔名指向別的資料夾，為了安全不予處理；請重新下載後再上傳。"
            )
    if any(entry.filename.lower().endswith(_ARCHIVES) for entry in found):
        raise FileRejected("壓縮檔裡還有壓縮檔，請解開後直接上傳裡面的檔案。")
    return found


def _only_csv(archive: pyzipper.AESZipFile) -> pyzipper.ZipInfo:
    wanted = [entry for entry in _files(archive) if entry.filename.lower().endswith(".csv")]
    if not wanted:
        raise FileRejected("壓縮檔裡沒有 CSV 檔，請確認後重新上傳。")
    if len(wanted) > 1:
        raise FileRejected(f"壓縮檔裡有 {len(wanted)} 個 CSV 檔，請一次上傳一個。")
    _refuse_overlap(archive)
    return wanted[0]


def _refuse_overlap(archive: pyzipper.AESZipFile) -> None:
    if file_types.share_bytes(archive.infolist()):
        raise FileRejected("壓縮檔的內容互相重疊，不是正常的壓縮檔；請重新下載後再上傳。")


def _inflated(
    archive: pyzipper.AESZipFile,
    entry: pyzipper.ZipInfo,
    password: bytes | None,
    most: int,
    limits: Limits,
) -> Iterator[bytes]:
    size = 0
    with archive.open(entry, pwd=password) as stream:
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > most:
                raise FileRejected(too_large(limits))
            yield piece


def entries(
    data: bytes, suffixes: tuple[str, ...], limits: Limits, most: int
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file in an archive without a password whose name ends in a suffix.

    All together unpack to `limits.max_bytes` at most, and there are `most` at most.  Raises
    FileRejected.
    """
    with _open(io.BytesIO(data)) as archive:
        if _holds_workbook(archive):
            raise FileRejected("這是 Excel 檔（.xlsx），請使用原始下載的檔案。")
        wanted = [one for one in _files(archive) if one.filename.casefold().endswith(suffixes)]
        if len(wanted) > most:
            raise FileRejected(f"壓縮檔裡有 {len(wanted):,} 個檔案，最多 {most:,} 個；請分成幾個。")
        _refuse_overlap(archive)
        left = limits.max_bytes
        for entry in wanted:
            if entry.flag_bits & 1:
                raise FileRejected("這個壓縮檔有密碼，請解開後再匯入。")
            try:
                content = b"".join(_inflated(archive, entry, None, left, limits))
            except FileRejected:
                most_mb = limits.max_bytes // 1024 // 1024
                raise FileRejected(
                    f"壓縮檔解開後超過 {most_mb} MB，請分成幾個壓縮檔匯入。"
                ) from None
            except _UNREADABLE as error:
                raise FileRejected(_DAMAGED) from error
            left -= len(content)
            yield entry.filename, content


def _holds_workbook(archive: pyzipper.AESZipFile) -> bool:
    names = {entry.filename for entry in archive.infolist()}
    return "[Content_Types].xml" in names or any(name.startswith("xl/") for name in names)
