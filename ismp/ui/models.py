"""State shared by all web processes: keys of drawn forms that were sent already."""

from django.db import models


class SentForm(models.Model):
    """A form that was sent, and the answer to it for whoever sends the same again (`once`).

    Held by the request that came first; the row goes when that turns out to have done nothing.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    """Of the form's key, its address and who sent it; keyed."""
    contents = models.BinaryField(max_length=32)
    """A digest of what was sent last; keyed."""
    sent_at = models.DateTimeField(db_index=True)
    reference = models.CharField(max_length=8)
    """Of the request that came first."""
    answer = models.BinaryField(null=True)
    """Encrypted: a page may show a code once.  None while the first one is at work."""
    key_version = models.PositiveSmallIntegerField(null=True)

    def __str__(self) -> str:
        return f"sent:{self.reference}"

    def is_like(self, other: "SentForm") -> bool:
        """Whether both sent the same."""
        return bytes(self.contents) == bytes(other.contents)
