"""The portal's addresses."""

from django.urls import path

from ismp.portal import own_hours, pages, views
from ismp.portal.models import Page

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("my/hours/", own_hours.own_hours, name="hours"),
    path("my/hours/certificate/", own_hours.issue, name="certificate"),
    path("search/", views.search, name="search"),
    path("verify/", own_hours.verify, name="verification"),
    path("verify/<str:code>/", own_hours.verify, name="verify"),
    path("sitemap/", pages.sitemap, name="sitemap"),
    path("faq/", pages.shown, {"page": Page.FAQ}, name="faq"),
    path("about/", pages.shown, {"page": Page.ABOUT}, name="about"),
]
