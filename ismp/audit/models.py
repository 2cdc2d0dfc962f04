"""Who did what, when: a chain of events that cannot be altered unseen.

Knows nobody: people, agencies and things are written as text, so that an event outlives what
it speaks of.  Source: 附表十 資通系統防護基準, 事件日誌與可歸責性.
"""

from typing import Any, ClassVar

from django.db import models


class Audited(models.Model):
    """A model of things that the trail speaks of: how they are named there and whose they are.

    It is written into events and signed: a name that changes loses the history of all things that
    bear it.
    """

    audit_name: ClassVar[str] = ""
    """Before the key; empty: the name of the model."""

    class Meta:
        abstract = True

    @property
    def audit_subject(self) -> str:
        """The thing in the words of the audit trail."""
        return f"{self.audit_name or self._meta.model_name}:{self.pk}"

    @property
    def audit_agency(self) -> str:
        """Code of the agency whose thing it is; empty for nobody's."""
        agency = getattr(self, "agency", None)
        return agency.code if agency else ""

    @property
    def audit_detail(self) -> dict[str, Any]:
        """Return the detail of every event about this object, beside that of the action."""
        return {}


class Event(models.Model):
    """One action.  `number` runs without gaps; `chain` signs this event and all before it."""

    number = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150, db_index=True)
    verb = models.CharField(max_length=50)
    agency = models.CharField(max_length=20, blank=True, db_index=True)
    subject = models.CharField(max_length=100, blank=True, db_index=True)
    detail = models.JSONField(default=dict)
    address = models.CharField(max_length=45, blank=True, db_index=True)
    """Of the client, as `audit.origin` knows it; with session and reference empty for what workers
    and commands do."""
    session = models.CharField(max_length=12, blank=True)
    reference = models.CharField(max_length=8, blank=True)
    """Stands on the error page of the request and in its lines of the log."""
    chain = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.number} {self.verb} {self.subject}"


class ChainHead(models.Model):
    """The last link, one row: who writes an event locks it, so numbers and links never fork."""

    number = models.BigIntegerField(default=0)
    chain = models.BinaryField(max_length=32, default=bytes)

    def __str__(self) -> str:
        return str(self.number)
