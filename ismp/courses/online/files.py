"""The files of materials: what they may be, and where they are kept (`storage.encrypted_files`)."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from ismp.courses.models import Material, MaterialPiece
from ismp.storage.encrypted_files import EncryptedFile
from ismp.ui.reading import file_types
from ismp.ui.reading.file_types import FileTypeRejected

_TAUGHT = ("video/mp4", "video/webm", "application/pdf")


def media_type(head: bytes) -> str:
    """Detect a material's type by its first bytes, not its name.  Raises FileTypeRejected."""
    found = file_types.media_type(head)
    if found not in _TAUGHT:
        raise FileTypeRejected("這個檔案不是 MP4、WebM 影片，也不是 PDF；請轉存成其中一種再上傳。")
    return found


def check(file: "UploadedFile[Any]", kind: str, most: int) -> str:
    """The media type of a file that may be a material of this kind.  Raises FileTypeRejected."""
    if not file.size:
        raise FileTypeRejected("這個檔案是空的，請重新選擇。")
    if file.size > most:
        raise FileTypeRejected(f"檔案超過 {most // 1024 // 1024} MB，請壓縮或分成幾個教材再上傳。")
    found = media_type(file_types.head_of(file))
    if found.startswith("video") != (kind == Material.Kind.VIDEO):
        raise FileTypeRejected("檔案和教材種類不同：影片請選 MP4 或 WebM，PDF 請選 PDF 檔。")
    return found


def store(material: Material, chunks: Iterable[bytes]) -> None:
    """Keep a file in place of the one that was kept before."""
    _file(material).write(chunks)


def read(material: Material, first: int, last: int) -> Iterator[bytes]:
    """The bytes of a file from `first` to `last`, both included, piece by piece."""
    return _file(material).read(first, last)


def _file(material: Material) -> EncryptedFile:
    return EncryptedFile(MaterialPiece, material.pk)
