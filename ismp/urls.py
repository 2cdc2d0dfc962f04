"""The table of contents of the site."""

from django.urls import include, path

from ismp.accounts import modules
from ismp.courses import teachers
from ismp.portal import manage, pages, tickets

urlpatterns = [
    path("", include("ismp.portal.urls")),
    path("", include("ismp.operations.urls")),
    path("", include((tickets.urlpatterns, "support"))),
    path("accounts/", include("ismp.accounts.urls")),
    path("notices/", include("ismp.notices.urls")),
    path("manage/", include((manage.urlpatterns, "manage"))),
    path("manage/departments/", include(modules.DEPARTMENTS.urls)),
    path("manage/pages/", include((pages.urlpatterns, "pages"))),
    path("manage/teachers/", include(teachers.TEACHERS.urls)),
    path("manage/learning-map/", include("ismp.compliance.rule_urls")),
    path("manage/learning-map/", include("ismp.hours.urls")),
]
handler400 = "ismp.ui.errors.bad_request"
handler403 = "ismp.ui.errors.forbidden"
handler404 = "ismp.ui.errors.not_found"
handler500 = "ismp.ui.errors.server_error"
