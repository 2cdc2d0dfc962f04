"""資安管制作業, 資安情資管理: pages beside those of the modules."""

from django.urls import path

from ismp.security import views as security_views
from ismp.security.devices import views as device_views
from ismp.security.incidents import views as incident_views

app_name = "security"
urlpatterns = [
    path("incidents/", incident_views.my_incidents, name="my_incidents"),
    path("incidents/report/", incident_views.report, name="report"),
    path("incidents/<int:incident_id>/edit/", incident_views.edit, name="edit_incident"),
    path("exceptions/<int:decision_id>/", incident_views.exception, name="exception"),
    path("incidents/<int:incident_id>/", incident_views.incident, name="incident"),
    path("incidents/<int:incident_id>/<slug:step>/", incident_views.action, name="incident_action"),
    path("devices/", security_views.my_devices, name="my_devices"),
    path("manage/incidents/time-limits/", security_views.time_limits, name="time_limits"),
    path("manage/officers/", security_views.officers, name="officers"),
    path("manage/devices/import/", device_views.import_devices, name="import_devices"),
    path("manage/devices/template/", device_views.inventory_template, name="inventory_template"),
    path("manage/products/import/", device_views.import_products, name="import_products"),
    path("manage/products/template/", device_views.product_template, name="product_template"),
    path("manage/campaigns/form/<int:sign_off_id>/", security_views.sign_off, name="sign_off"),
    path("manage/advisories/import/", security_views.import_advisories, name="import_advisories"),
    path(
        "manage/advisories/import/<int:intelligence_file_id>/",
        security_views.intelligence_file,
        name="intelligence_file",
    ),
    path(
        "manage/advisories/<int:advisories_id>/devices/",
        security_views.devices_of_advisory,
        name="advisory_devices",
    ),
    path(
        "manage/addresses/<int:addresses_id>/evidence/",
        security_views.add_evidence,
        name="add_evidence",
    ),
    path("manage/evidence/<int:evidence_id>/", security_views.open_evidence, name="evidence"),
]
