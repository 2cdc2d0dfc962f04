"""The addresses of the boards."""

from django.urls import path

from ismp.compliance.dashboards import views as dashboard_views
from ismp.compliance.people import views as people_views

app_name = "boards"
urlpatterns = [
    path("board/", dashboard_views.board, name="board"),
    path("board/trend/", dashboard_views.trend, name="trend"),
    path("board/people/", people_views.people_list, name="people"),
    path("board/people/download/", people_views.download, name="download"),
    path("board/people/<int:account_id>/", people_views.person, name="person"),
    path("board/remind/", people_views.remind, name="remind"),
    path("city/", dashboard_views.city, name="city"),
]
