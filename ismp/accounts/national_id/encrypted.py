"""A national ID on file: encrypted, found by its keyed hash, never in clear (個資法 art 5)."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from ismp.accounts import national_id


class HasNationalId(models.Model):
    """A row that keeps somebody's number as a matching key only."""

    ASSOCIATED_DATA: ClassVar[bytes]
    """To what the encrypted number belongs: one table's cannot be opened as another's."""
    ID_COLUMNS: ClassVar = ("encrypted_id", "id_hash", "key_version")
    """What a row is stored with (`update_fields`) when its number changes."""

    encrypted_id = models.BinaryField("身分證字號（加密）", null=True, editable=False)
    id_hash = models.BinaryField(max_length=32, null=True, editable=False)
    key_version = models.PositiveSmallIntegerField(null=True, editable=False)

    class Meta:
        abstract = True

    @property
    def national_id(self) -> str:
        """The number in clear, for one purpose at a time; empty when none is on file."""
        if self.encrypted_id is None or self.key_version is None:
            return ""
        encrypted = bytes(self.encrypted_id)
        return settings.KEYS.decrypt(encrypted, self.ASSOCIATED_DATA, self.key_version).decode()

    @national_id.setter
    def national_id(self, number: str) -> None:
        folded = national_id.fold(number)
        if folded:
            encrypted = settings.KEYS.encrypt(folded.encode(), self.ASSOCIATED_DATA)
            self.encrypted_id, self.key_version = encrypted
            self.id_hash = settings.KEYS.blind_index(folded)
        else:
            self.encrypted_id = self.id_hash = self.key_version = None

    @property
    def masked_id(self) -> str:
        return national_id.mask(self.national_id)
