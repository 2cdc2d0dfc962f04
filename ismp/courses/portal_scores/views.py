"""成績下載: the page that makes a file for the portal."""

from functools import partial
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_http_methods

from ismp.accounts.models import Agency
from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.courses.models import PortalUpload, UploadedHours
from ismp.courses.portal_scores import actions
from ismp.courses.portal_scores.exports import answer_with, written_file
from ismp.courses.portal_scores.forms import UploadForm
from ismp.errors import ActionRefused
from ismp.ui.http.once import each_time
from ismp.ui.http.requests import HttpRequest

_LATEST = 10
"""How many batches the page shows."""


# The page stays when its file comes, so the drawn form is sent again on purpose, after a revocation
# too; a double click finds nothing new, under the agency's lock.
@each_time
@require_http_methods(["GET", "HEAD", "POST"])
@needs(Right.MANAGE_COURSES)
def upload(request: HttpRequest) -> HttpResponse:
    user = request.user
    agency = None if user.may(Right.ALL_AGENCIES) else user.agency
    waiting = actions.pending(agency) if agency else None
    form = UploadForm(request.POST or None, user=user, initial=_usual(agency, waiting))
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            made, data = actions.make(**asked, write=partial(written_file, asked), by=user)
        except ActionRefused as reason:
            form.add_error(None, str(reason))
        else:
            return answer_with(made, [data])
    hours = UploadedHours.objects.visible_to(user).compared()
    context = {
        "form": form,
        "waiting": waiting,
        "uploads": PortalUpload.objects.visible_to(user).select_related("agency")[:_LATEST],
        "to_correct": hours.filter(differs=True).count(),
    }
    return render(request, "courses/upload.html", context)


def _usual(agency: Agency | None, waiting: actions.Pending | None) -> dict[str, Any]:
    """Initial values of the form: everything that waits, and the county of the last time."""
    usual: dict[str, Any] = {}
    if waiting:
        usual = {"start": waiting.first, "end": waiting.last}
    last = PortalUpload.objects.filter(agency=agency).first() if agency else None
    return usual | ({"county": last.county} if last else {})


urlpatterns = [path("upload/", upload, name="upload")]
