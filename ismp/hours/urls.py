"""學習地圖管理: the addresses of the hours (docs/explain/contracts.md)."""

from django.urls import path

from ismp.imports import rosters, views as imports_views, upload
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
    path("runs/", imports_views.runs, name="runs"),
    path("waiting/", imports_views.waiting, name="waiting"),
    path("runs/<int:run_id>/", imports_views.run_page, name="run"),
    path("runs/<int:run_id>/progress/", imports_views.run_progress, name="run_progress"),
    path("runs/<int:run_id>/rows/", imports_views.run_rows, name="run_rows"),
    path("runs/<int:run_id>/password/", imports_views.run_password, name="run_password"),
    path("runs/<int:run_id>/report/", imports_views.run_report, name="run_report"),
    path("runs/<int:run_id>/undo/", imports_views.run_undo, name="run_undo"),
    path("runs/<int:run_id>/commit/", imports_views.run_commit, name="run_commit"),
]
of_rosters = [path("", rosters.page, name="page")], "rosters"
