"""學習地圖管理: the addresses of the rules, and what an import changed."""

from django.urls import path

from ismp.compliance import rule_pages

app_name = "compliance"
urlpatterns = [
    path("rules/", rule_pages.rules, name="rules"),
    path("rules/add/", rule_pages.add, name="add_rule"),
    path("rules/policy/", rule_pages.policy, name="policy"),
    path("rules/policy/<int:policy_id>/cancel/", rule_pages.cancel_policy, name="cancel_policy"),
    path(
        "rules/versions/<int:version_id>/cancel/",
        rule_pages.cancel_version,
        name="cancel_version",
    ),
    path("rules/<int:rule_id>/", rule_pages.rule_page, name="rule"),
    path("rules/<int:rule_id>/change/", rule_pages.change, name="change_rule"),
    path("rules/<int:rule_id>/end/", rule_pages.end, name="end_rule"),
    path("rules/<int:rule_id>/examples/add/", rule_pages.add_example, name="add_example"),
    path(
        "rules/examples/<int:example_id>/remove/", rule_pages.remove_example, name="remove_example"
    ),
    path("runs/<int:run_id>/effect/", rule_pages.effect, name="effect"),
]
