"""The table of contents of the site."""

from django.urls import include, path

from ismp.accounts import modules
from ismp.accounts.agencies.resources import AGENCIES
from ismp.courses import authoring, score_modules, scores, teachers, upload_modules
from ismp.courses import modules as courses
from ismp.external.modules import CLAIMS
from ismp.hours.modules import DUPLICATES
from ismp.hours.urls import of_rosters
from ismp.portal import manage, pages, tickets
from ismp.reviews import modules as reviews
from ismp.security.advisory_modules import ADDRESSES, ADVISORIES
from ismp.security.device_modules import CAMPAIGNS, DECISIONS, DEVICES, PRODUCTS
from ismp.security.incident_modules import INCIDENTS
from ismp.security.intelligence_lists import GROUPS, INDICATORS, VENDORS

urlpatterns = [
    path("", include("ismp.portal.urls")),
    path("", include("ismp.operations.urls")),
    path("", include((tickets.urlpatterns, "support"))),
    path("accounts/", include("ismp.accounts.urls")),
    path("notices/", include("ismp.notices.urls")),
    path("", include("ismp.requests.urls")),
    path("", include("ismp.external.urls")),
    path("", include("ismp.security.urls")),
    path("manage/", include((manage.urlpatterns, "manage"))),
    path("manage/reviews/", include("ismp.reviews.urls")),
    path("manage/accounts/roster/", include(of_rosters)),
    path("manage/applications/", include(reviews.APPLICATIONS.urls)),
    path("manage/transfers/", include(reviews.TRANSFERS.urls)),
    path("manage/person-links/", include(reviews.PERSON_LINKS.urls)),
    path("manage/identity-changes/", include(reviews.CHANGES.urls)),
    path("manage/resets/", include(reviews.RESETS.urls)),
    path("manage/accounts/", include(modules.ACCOUNTS.urls)),
    path("manage/departments/", include(modules.DEPARTMENTS.urls)),
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
    path("manage/pages/", include((pages.urlpatterns, "pages"))),
    path("manage/teachers/", include(teachers.TEACHERS.urls)),
    path("manage/learning-map/", include("ismp.compliance.rule_urls")),
    path("courses/", include("ismp.courses.urls")),
    path("manage/online-courses/", include(courses.ONLINE_COURSES.urls)),
    path("manage/online-courses/", include((authoring.urlpatterns, "authoring"))),
    path("manage/classroom-courses/", include(courses.CLASSROOM_COURSES.urls)),
    path("manage/sessions/", include(courses.SESSIONS.urls)),
    path("manage/sign-ups/", include(courses.SIGN_UPS.urls)),
    path("manage/learning-map/online-scores/", include(score_modules.ONLINE_SCORES.urls)),
    path("manage/learning-map/classroom-scores/", include(score_modules.CLASSROOM_SCORES.urls)),
    path("manage/learning-map/scores/", include((scores.urlpatterns, "scores"))),
    path("manage/learning-map/uploads/", include(upload_modules.PORTAL_UPLOADS.urls)),
    path("manage/learning-map/uploaded-hours/", include(upload_modules.UPLOADED_HOURS.urls)),
    path("manage/learning-map/", include("ismp.hours.urls")),
    path("manage/learning-map/", include("ismp.compliance.board_urls")),
    path("manage/learning-map/duplicates/", include(DUPLICATES.urls)),
    path("manage/learning-map/claims/", include(CLAIMS.urls)),
    path("manage/learning-map/", include("ismp.assignments.urls")),
]
handler400 = "ismp.ui.errors.bad_request"
handler403 = "ismp.ui.errors.forbidden"
handler404 = "ismp.ui.errors.not_found"
handler500 = "ismp.ui.errors.server_error"
