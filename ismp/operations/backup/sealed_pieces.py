"""All that is kept sealed in pieces: what is sealed anew, backed up, and named in the storage."""

from ismp.courses.models import MaterialPiece, UploadPiece
from ismp.external_hours.models import ClaimPiece
from ismp.imports.models import RunFile
from ismp.security.models import EvidencePiece, IntelligencePiece
from ismp.storage.encrypted_files import EncryptedChunk

SEALED: tuple[type[EncryptedChunk], ...] = (
    RunFile,
    MaterialPiece,
    ClaimPiece,
    EvidencePiece,
    IntelligencePiece,
    UploadPiece,
)
