from django.urls import path

from ismp.reviews import views

app_name = "reviews"
urlpatterns = [
    path("", views.queue, name="queue"),
    path("batch/", views.batch, name="batch"),
    path("delegations/", views.delegations, name="delegations"),
    path("delegations/end/", views.end_delegation, name="end_delegation"),
    path("<str:review_kind>/<int:review_id>/", views.item, name="item"),
]
