"""Signing in and out, and one's own password."""

from django.urls import path

from ismp.accounts.sign_in import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.sign_in, name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("reset/", views.reset_password, name="reset"),
    path("password/", views.change_password, name="password_change"),
]
