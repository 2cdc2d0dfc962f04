"""A file that is sent in the browser and then brought in by the worker."""

from django.core.files.uploadedfile import SimpleUploadedFile

from ismp.imports import running
from ismp.imports.models import ImportRun

UPLOAD = "/manage/learning-map/upload/"


def send(client, data, *, source="", mode="import", name="list.csv"):
    """Returns the run, as it is when the worker has done."""
    posted = {"mode": mode, "file": SimpleUploadedFile(name, data)}
    client.post(UPLOAD, {**posted, "source": source} if source else posted)
    run = ImportRun.objects.latest("pk")
    running.perform(run.pk)
    run.refresh_from_db()
    return run
