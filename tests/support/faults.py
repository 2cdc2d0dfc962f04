"""A site whose workers are killed or paused at a step of the import."""

import time

import pytest

from ismp.accounts.models import Account, Agency
from ismp.audit import trail
from ismp.audit.models import Event
from ismp.hours.models import Record, RecordRevision
from ismp.imports import actions as import_actions
from ismp.imports import kinds
from ismp.imports.models import ImportRun
from ismp.imports.upload import Upload
from tests.support.hosts import PATIENCE_SECONDS
from tests.support.installations import Place
from tests.support.portal_files import data, row

AGENCY = "382990001Z"

ROWS = 300

LEASE_SECONDS = 1

LEASE_OVER = LEASE_SECONDS + 0.1
"""After so many seconds of silence anybody may take a run over."""

PERFORM = """
import django; django.setup()
import time
from ismp.imports import running
time.sleep(max(0, {at} - time.time()))
running.perform({run})
"""


class Site(Place):
    """An installation (with the invented city, if `like` the town), and a file for it."""

    def __init__(self, home, like=None, lease=LEASE_SECONDS):
        super().__init__(home, like, ISMP_IMPORT_LEASE_SECONDS=str(lease))
        self.file = home.parent / "file.csv"
        self.file.write_bytes(data(*(row(term=str(n)) for n in range(ROWS)), row(total="9")))

    def queue(self, source="file"):
        """Send the file, as an upload does; returns the run's number."""
        with self.entered():
            by = None
            if source != "file":
                by = Account.objects.select_related("agency").get(username="IC1001")
                by.role = "agency_admin"
                by.save()
            agency = Agency.objects.get(code=AGENCY)
            upload = Upload(agency=agency, filename="f.csv", by=by)
            upload.write(self.file.read_bytes())
            upload.close()
            kind = kinds.find_kind(source)
            return import_actions.receive(upload, kind=kind, agency=agency).pk

    def worker(self, run, after=0.0):
        """A process that takes the run, `after` so many seconds from now; it starts meanwhile."""
        command = PERFORM.format(run=run, at=time.time() + after)
        return self.python("-c", command, background=True)

    def perform(self, run, after=0.0):
        """Have a worker do the run, to its end."""
        worker = self.worker(run, after)
        _, said = worker.communicate(timeout=PATIENCE_SECONDS)
        assert worker.returncode == 0, said.decode()


@pytest.fixture
def site(tmp_path, town, django_db_blocker):
    site = Site(tmp_path / "home", town)
    with django_db_blocker.unblock():
        yield site
    site.close()


DONE = {
    "state": "completed",
    "created": ROWS,
    "rejected": 1,
    "records": ROWS,
    "revisions": 0,
    "events": 1,
    "faults": [],
}


def state_of(place):
    with place.entered():
        run = ImportRun.objects.get()
        return {
            "state": run.state,
            "created": run.created,
            "rejected": run.rejected,
            "attempt": run.attempt,
            "records": Record.objects.live().count(),
            "revisions": RecordRevision.objects.count(),
            "events": Event.objects.filter(verb="import_hours").count(),
            "faults": list(trail.faults()),
        }
