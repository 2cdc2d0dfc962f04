"""The portal's addresses."""

from django.urls import path

from ismp.portal import pages, views
from ismp.portal.models import Page

app_name = "portal"
urlpatterns = [
    path("", views.home, name="home"),
    path("sitemap/", pages.sitemap, name="sitemap"),
    path("faq/", pages.shown, {"page": Page.FAQ}, name="faq"),
    path("about/", pages.shown, {"page": Page.ABOUT}, name="about"),
]
