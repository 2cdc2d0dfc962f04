"""All that is kept sealed in pieces, and how each is sealed anew."""

from collections.abc import Callable
from typing import Any

from django.db import models

from ismp.courses import files as materials
from ismp.courses.models import MaterialPiece
from ismp.external import files as certificates
from ismp.external.models import ClaimPiece
from ismp.hours import files
from ismp.hours.models import RunFile

SEALED: dict[type[models.Model], Callable[[Any], None]] = {
    RunFile: files.seal_anew,
    MaterialPiece: materials.seal_anew,
    ClaimPiece: certificates.seal_anew,
}
