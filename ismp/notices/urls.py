from django.urls import path

from ismp.notices import views

app_name = "notices"
urlpatterns = [path("", views.notices, name="list")]
