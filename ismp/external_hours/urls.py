from django.urls import path

from ismp.external_hours import views

app_name = "external_hours"
urlpatterns = [
    path("my/hours/claims/", views.my_claims, name="my_claims"),
    path("my/hours/claims/apply/", views.apply, name="apply"),
    path("my/hours/claims/<int:claim_id>/withdraw/", views.withdraw, name="withdraw"),
    path("my/hours/claims/<int:claim_id>/certificate/", views.certificate, name="certificate"),
]
