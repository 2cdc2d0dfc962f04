"""The files of materials: sealed, in pieces of one size, so that any range is read by itself."""

from collections.abc import Iterable, Iterator

from django.core.files.uploadedfile import UploadedFile

from ismp import objects
from ismp.courses.models import Material, MaterialPiece

PIECE_BYTES = 1024 * 1024
_STARTS = 64
"""How many bytes tell what a file is."""


class WrongFile(ValueError):
    """The file cannot be a material; the text is one sentence in Chinese."""


def media_type(head: bytes) -> str:
    """What a file is by its first bytes, whatever its name says.  Raises WrongFile."""
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm"
    if head[:5] == b"%PDF-":
        return "application/pdf"
    raise WrongFile("這個檔案不是 MP4、WebM 影片，也不是 PDF；請轉存成其中一種再上傳。")


def check(file: UploadedFile, kind: str, most: int) -> str:
    """The media type of a file that may be a material of this kind.  Raises WrongFile."""
    if not file.size:
        raise WrongFile("這個檔案是空的，請重新選擇。")
    if file.size > most:
        raise WrongFile(f"檔案超過 {most // 1024 // 1024} MB，請壓縮或分成幾個教材再上傳。")
    file.seek(0)
    found = media_type(file.read(_STARTS))
    if found.startswith("video") != (kind == Material.Kind.VIDEO):
        raise WrongFile("檔案和教材種類不同：影片請選 MP4 或 WebM，PDF 請選 PDF 檔。")
    return found


def keep(material: Material, chunks: Iterable[bytes]) -> None:
    """Keep a file in place of the one that was kept before."""
    material.pieces.all().delete()
    number, buffer = 0, bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PIECE_BYTES:
            _store(material, number, bytes(buffer[:PIECE_BYTES]))
            del buffer[:PIECE_BYTES]
            number += 1
    if buffer:
        _store(material, number, bytes(buffer))


def read(material: Material, first: int, last: int) -> Iterator[bytes]:
    """The bytes of a file from `first` to `last`, both included, piece by piece."""
    numbers = range(first // PIECE_BYTES, last // PIECE_BYTES + 1)
    pieces = material.pieces.filter(number__range=(numbers[0], numbers[-1])).order_by("number")
    for piece in pieces.iterator(1):
        start = piece.number * PIECE_BYTES
        whole = objects.unseal(piece, _context(piece))
        yield whole[max(first - start, 0) : last + 1 - start]


def seal_anew(piece: MaterialPiece) -> None:
    """Seal a kept piece with the newest key; the object it had is swept later."""
    context = _context(piece)
    objects.seal(piece, objects.unseal(piece, context), context)
    piece.save(update_fields=["key_version", "stored_as", "data"])


def _store(material: Material, number: int, data: bytes) -> None:
    piece = MaterialPiece(material=material, number=number)
    objects.seal(piece, data, _context(piece))
    piece.save(force_insert=True)


def _context(piece: MaterialPiece) -> bytes:
    return f"material:{piece.material_id}:{piece.number}".encode()
