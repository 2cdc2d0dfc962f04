"""學習地圖管理: the addresses of the hours (docs/explain/contracts.md)."""

from django.urls import path

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
    path("runs/", record_views.runs, name="runs"),
    path("waiting/", record_views.waiting, name="waiting"),
    path("runs/<int:run_id>/undo/", record_views.undo, name="run_undo"),
]
