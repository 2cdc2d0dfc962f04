"""The addresses of the boards."""

from django.urls import path

from ismp.compliance import board_pages, people_pages

app_name = "boards"
urlpatterns = [
    path("board/", board_pages.board, name="board"),
    path("board/trend/", board_pages.trend, name="trend"),
    path("board/people/", people_pages.people_list, name="people"),
    path("board/people/download/", people_pages.download, name="download"),
    path("board/people/<int:account_id>/", people_pages.person, name="person"),
    path("board/remind/", people_pages.remind, name="remind"),
    path("city/", board_pages.city, name="city"),
]
