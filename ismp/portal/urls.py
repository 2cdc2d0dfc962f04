"""The portal's addresses."""

from django.urls import path

from ismp.portal.home import views as home_views
from ismp.portal.models import Page
from ismp.portal.my_hours import views as my_hours_views
from ismp.portal.pages import views as page_views

app_name = "portal"
urlpatterns = [
    path("", home_views.home, name="home"),
    path("my/hours/", my_hours_views.own_hours, name="hours"),
    path("my/hours/certificate/", my_hours_views.issue, name="certificate"),
    path("search/", home_views.search, name="search"),
    path("verify/", my_hours_views.verify, name="verification"),
    path("verify/<str:code>/", my_hours_views.verify, name="verify"),
    path("sitemap/", page_views.sitemap, name="sitemap"),
    path("faq/", page_views.shown, {"page": Page.FAQ}, name="faq"),
    path("about/", page_views.shown, {"page": Page.ABOUT}, name="about"),
]
