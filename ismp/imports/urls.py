"""學習地圖管理: the addresses of files that come in (docs/explain/contracts.md)."""

from django.urls import path

from ismp.imports import views

app_name = "imports"
urlpatterns = [
    path("upload/", views.upload, name="upload"),
    path("runs/<int:run_id>/", views.run_page, name="run"),
    path("runs/<int:run_id>/progress/", views.run_progress, name="run_progress"),
    path("runs/<int:run_id>/rows/", views.run_rows, name="run_rows"),
    path("runs/<int:run_id>/password/", views.run_password, name="run_password"),
    path("runs/<int:run_id>/report/", views.run_report, name="run_report"),
    path("runs/<int:run_id>/commit/", views.run_commit, name="run_commit"),
]
of_rosters = [path("", views.roster, name="page")], "rosters"
