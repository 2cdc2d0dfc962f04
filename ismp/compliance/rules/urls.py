"""學習地圖管理: the addresses of the rules, and what an import changed."""

from django.urls import path

from ismp.compliance.rules import views

app_name = "compliance"
urlpatterns = [
    path("rules/", views.rules, name="rules"),
    path("rules/add/", views.add, name="add_rule"),
    path("rules/policy/", views.policy, name="policy"),
    path("rules/policy/<int:policy_id>/cancel/", views.cancel_policy, name="cancel_policy"),
    path(
        "rules/versions/<int:version_id>/cancel/",
        views.cancel_version,
        name="cancel_version",
    ),
    path("rules/<int:rule_id>/", views.rule_page, name="rule"),
    path("rules/<int:rule_id>/change/", views.change, name="change_rule"),
    path("rules/<int:rule_id>/end/", views.end, name="end_rule"),
    path("rules/<int:rule_id>/examples/add/", views.add_example, name="add_example"),
    path("rules/examples/<int:example_id>/remove/", views.remove_example, name="remove_example"),
    path("runs/<int:run_id>/effect/", views.effect, name="effect"),
]
