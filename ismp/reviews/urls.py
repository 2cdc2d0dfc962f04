from django.urls import path

from ismp.reviews import views

app_name = "reviews"
urlpatterns = [path("", views.queue, name="queue")]
