"""Addresses that machines request."""

from django.urls import path

from ismp.operations.monitoring import health, metrics

app_name = "operations"
urlpatterns = [
    path("healthz", health.alive, name="alive"),
    path("readyz", health.ready, name="ready"),
    path(".well-known/security.txt", health.security_contact, name="security_contact"),
    path("metrics", metrics.metrics, name="metrics"),
]
