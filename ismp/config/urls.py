"""The table of contents of the site."""

from django.urls import include, path

from ismp.accounts import resources as account_resources
from ismp.accounts.agencies.resources import AGENCIES
from ismp.courses import resources as courses
from ismp.courses.online import views as online_views
from ismp.courses.portal_scores import resources as portal_scores_resources
from ismp.courses.portal_scores import upload_resources
from ismp.courses.portal_scores import views as portal_scores_views
from ismp.courses.teachers import resources as teacher_resources
from ismp.external_hours.resources import CLAIMS
from ismp.hours.records.resources import DUPLICATES
from ismp.imports.urls import of_rosters
from ismp.portal.back_office import views as back_office_views
from ismp.portal.pages import views as page_views
from ismp.portal.tickets import views as ticket_views
from ismp.reviews import resources as reviews
from ismp.security.advisories.actions.lists import GROUPS, INDICATORS, VENDORS
from ismp.security.advisories.resources import ADDRESSES, ADVISORIES
from ismp.security.devices.resources import CAMPAIGNS, DECISIONS, DEVICES, PRODUCTS
from ismp.security.incidents.resources import INCIDENTS
from ismp.ui import views as ui_views

urlpatterns = [
    path("", include("ismp.portal.urls")),
    path("", include("ismp.operations.urls")),
    path("", include((ticket_views.urlpatterns, "support"))),
    path("accounts/", include("ismp.accounts.sign_in.urls")),
    path("notices/", include("ismp.notifications.urls")),
    path("", include("ismp.applications.urls")),
    path("", include("ismp.external_hours.urls")),
    path("", include("ismp.security.urls")),
    path("manage/", include((back_office_views.urlpatterns, "manage"))),
    path("manage/reviews/", include("ismp.reviews.urls")),
    path("manage/accounts/roster/", include(of_rosters)),
    path("manage/applications/", include(reviews.APPLICATIONS.urls)),
    path("manage/transfers/", include(reviews.TRANSFERS.urls)),
    path("manage/identity-changes/", include(reviews.CHANGES.urls)),
    path("manage/resets/", include(reviews.RESETS.urls)),
    path("manage/person-links/", include(reviews.PERSON_LINKS.urls)),
    path("manage/accounts/", include(account_resources.ACCOUNTS.urls)),
    path("manage/departments/", include(account_resources.DEPARTMENTS.urls)),
    path("manage/agencies/", include(AGENCIES.urls)),
    path("manage/incidents/", include(INCIDENTS.urls)),
    path("manage/devices/", include(DEVICES.urls)),
    path("manage/decisions/", include(DECISIONS.urls)),
    path("manage/products/", include(PRODUCTS.urls)),
    path("manage/campaigns/", include(CAMPAIGNS.urls)),
    path("manage/advisories/", include(ADVISORIES.urls)),
    path("manage/addresses/", include(ADDRESSES.urls)),
    path("manage/indicators/", include(INDICATORS.urls)),
    path("manage/agency-groups/", include(GROUPS.urls)),
    path("manage/vendors/", include(VENDORS.urls)),
    path("manage/pages/", include((page_views.urlpatterns, "pages"))),
    path("manage/teachers/", include(teacher_resources.TEACHERS.urls)),
    path("manage/learning-map/", include("ismp.compliance.rules.urls")),
    path("courses/", include("ismp.courses.urls")),
    path("manage/online-courses/", include(courses.ONLINE_COURSES.urls)),
    path("manage/online-courses/", include((online_views.urlpatterns, "authoring"))),
    path("manage/classroom-courses/", include(courses.CLASSROOM_COURSES.urls)),
    path("manage/sessions/", include(courses.SESSIONS.urls)),
    path("manage/sign-ups/", include(courses.SIGN_UPS.urls)),
    path("manage/learning-map/claims/", include(CLAIMS.urls)),
    path("manage/learning-map/online-scores/", include(portal_scores_resources.ONLINE_SCORES.urls)),
    path(
        "manage/learning-map/classroom-scores/",
        include(portal_scores_resources.CLASSROOM_SCORES.urls),
    ),
    path("manage/learning-map/scores/", include((portal_scores_views.urlpatterns, "scores"))),
    path("manage/learning-map/uploads/", include(upload_resources.PORTAL_UPLOADS.urls)),
    path("manage/learning-map/uploaded-hours/", include(upload_resources.UPLOADED_HOURS.urls)),
    path("manage/learning-map/", include("ismp.hours.urls")),
    path("manage/learning-map/", include("ismp.imports.urls")),
    path("manage/learning-map/", include("ismp.compliance.dashboards.urls")),
    path("manage/learning-map/duplicates/", include(DUPLICATES.urls)),
    path("manage/learning-map/", include("ismp.assignments.urls")),
    path("development/", include((ui_views.urlpatterns, "development"))),
]
handler400 = "ismp.ui.http.error_pages.bad_request"
handler403 = "ismp.ui.http.error_pages.forbidden"
handler404 = "ismp.ui.http.error_pages.not_found"
handler500 = "ismp.ui.http.error_pages.server_error"
