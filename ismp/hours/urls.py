"""學習地圖管理: the addresses of the hours (docs/explain/contracts.md)."""

from django.urls import path

from ismp.hours import rosters, runs, upload
from ismp.hours.listing import views as listing_views
from ismp.hours.records import views as record_views

app_name = "hours"
urlpatterns = [
    path("agency-hours/", listing_views.agency_hours, name="agency"),
    path("hours/", listing_views.all_hours, name="all"),
    path("hours/export/", record_views.export, name="export"),
    path("hours/delete/", record_views.delete, name="delete"),
    path("hours/deleted/", record_views.deleted, name="deleted"),
    path("hours/deleted/<int:deletion_id>/restore/", record_views.restore, name="restore"),
    path("columns/", listing_views.columns, name="columns"),
    path("help/", listing_views.help_page, name="help"),
    path("help/sample/", listing_views.sample, name="sample"),
    path("upload/", upload.upload, name="upload"),
    path("runs/", runs.runs, name="runs"),
    path("waiting/", runs.waiting, name="waiting"),
    path("runs/<int:run_id>/", runs.run_page, name="run"),
    path("runs/<int:run_id>/progress/", runs.run_progress, name="run_progress"),
    path("runs/<int:run_id>/rows/", runs.run_rows, name="run_rows"),
    path("runs/<int:run_id>/password/", runs.run_password, name="run_password"),
    path("runs/<int:run_id>/report/", runs.run_report, name="run_report"),
    path("runs/<int:run_id>/undo/", runs.run_undo, name="run_undo"),
    path("runs/<int:run_id>/commit/", runs.run_commit, name="run_commit"),
]
of_rosters = [path("", rosters.page, name="page")], "rosters"
