"""資安管制作業, 資安情資管理: the addresses of incidents, devices and advisories."""

from django.urls import path

from ismp.security import incident_views

app_name = "security"
urlpatterns = [
    path("incidents/", incident_views.mine, name="my_incidents"),
    path("incidents/report/", incident_views.report, name="report"),
    path("incidents/<int:incident_id>/", incident_views.incident, name="incident"),
    path("incidents/<int:incident_id>/<slug:name>/", incident_views.deed, name="incident_deed"),
]
