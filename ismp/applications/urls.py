"""Where people ask; what became of it is listed by `ismp.reviews.resources`."""

from django.urls import path

from ismp.applications import views

app_name = "application_forms"
urlpatterns = [
    path("accounts/apply/", views.apply, name="apply"),
    path("accounts/apply/state/", views.state, name="state"),
    path("my/identities/", views.identities, name="identities"),
    path("my/identities/withdraw/", views.withdraw_identities, name="withdraw_identities"),
    path("manage/transfers/coming/", views.coming, name="coming"),
    path("manage/transfers/going/", views.going, name="going"),
    path(
        "manage/transfers/<int:transfers_id>/withdraw/",
        views.withdraw_transfer,
        name="withdraw_transfer",
    ),
]
