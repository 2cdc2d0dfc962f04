"""From an archive that was sent to the file in it, piece by piece, under our own key.

One with a password is unpacked while the password is known, within the request; a plain one by the
worker.  Neither stands whole in memory, nor in clear on a disk (ADR 38).
"""

from ismp.imports import archives, kinds, run_files
from ismp.imports.models import ImportRun, RunFile


def open_archive(run: ImportRun) -> archives.Archive | None:
    """The archive that was sent, by its directory; None where the file came as it is.

    A workbook is an archive too, and comes as it is where its kind may be one.  Raises
    FileRejected.
    """
    if not archives.is_zip(next(run_files.pieces(run, RunFile.Kind.UPLOAD), b"")):
        return None
    kind, file = kinds.kind_of(run), run_files.open_file(run, RunFile.Kind.UPLOAD)
    if kind.excel and archives.is_workbook(file):
        return None
    assert kind.other_types
    return archives.Archive(file, kinds.limits(kind), kind.other_types)


def unpack(run: ImportRun, archive: archives.Archive, password: str | None = None) -> int:
    """Store the file in the archive as CONTENT of the run; return its number of line ends.

    Whoever calls it discards the archive when that is to count (`run_files.file_kind`).  Raises
    FileRejected, and PasswordNeeded when there is a password and this is not it.
    """
    refusal = archives.PasswordNeeded(archives.ASKS_PASSWORD)
    for attempt in archives.encoded(password) if password else (None,):
        writer = run_files.Writer(run, RunFile.Kind.CONTENT)
        try:
            for piece in archive.pieces(attempt):
                writer.write(piece)
            writer.close()
            return writer.lines
        except archives.PasswordNeeded as wrong:
            refusal = wrong
        finally:
            writer.stop()
    raise refusal
