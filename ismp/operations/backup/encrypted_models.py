"""Models of encrypted chunks: re-encrypted with new keys, backed up, named in storage."""

from ismp.courses.models import MaterialPiece, UploadPiece
from ismp.external_hours.models import ClaimPiece
from ismp.imports.models import RunFile
from ismp.security.models import EvidencePiece, IntelligencePiece
from ismp.storage.encrypted_files import EncryptedChunk

ENCRYPTED_MODELS: tuple[type[EncryptedChunk], ...] = (
    RunFile,
    MaterialPiece,
    ClaimPiece,
    EvidencePiece,
    IntelligencePiece,
    UploadPiece,
)
