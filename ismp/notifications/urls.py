from django.urls import path

from ismp.notifications import views

app_name = "notifications"
urlpatterns = [path("", views.notices, name="list")]
