from django.urls import path

from ismp.assignments import views

app_name = "assignments"
urlpatterns = [path("board/assign/", views.assign, name="assign")]
