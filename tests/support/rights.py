"""Who may open which address: every address × every role (tests/site/test_pages.py walks it).

A new address without a row fails the suite.  Those of a resource are derived from its rights
(docs/reference/roles.md shows them); the rows below hold what was agreed of some beside that.
`things` makes one thing of the first agency for each parameter that an address can have.
"""

import re

from django.urls import get_resolver

from ismp.ui.resources.resource import every
from tests.support import derived

ROLES = ("staff", "agency_admin", "platform_admin", "auditor", "teacher")
MANAGERS = {"agency_admin", "platform_admin", "auditor"}
IMPORTERS = {"agency_admin", "platform_admin"}
TEACHERS = {*IMPORTERS, "teacher"}


def lists(name: str, viewers: set[str]) -> dict[str, set[str]]:
    """The addresses of a module whose things are added elsewhere."""
    return {f"{name}:{page}": viewers for page in ("list", "export", "page", "history")}


def module(name: str, viewers: set[str], editors: set[str]) -> dict[str, set[str]]:
    """The addresses of a module of the list kit (ismp/ui/resources/resource.py), without its actions."""
    return {**lists(name, viewers), f"{name}:add": editors, f"{name}:edit": editors}


# Address name → who gets in (GET); everybody else gets 403, strangers the sign-in page.
_AGREED = {
    "portal:home": set(ROLES),
    "portal:hours": set(ROLES),
    "external_hours:my_claims": set(ROLES),
    "external_hours:apply": set(ROLES),
    "external_hours:certificate": set(ROLES),
    "portal:search": set(ROLES),
    "portal:verification": set(ROLES),
    "portal:verify": set(ROLES),
    "accounts:password_change": set(ROLES),
    "notifications:list": set(ROLES),
    "support:list": set(ROLES),
    "support:new": set(ROLES),
    "support:ticket": set(ROLES),
    "support:bundle": MANAGERS,
    "support:manage": MANAGERS,
    "security:my_incidents": set(ROLES),
    "security:report": set(ROLES),
    "security:my_devices": set(ROLES),
    "security:incident": set(ROLES),
    "security:edit_incident": set(ROLES),
    "security:exception": set(ROLES),
    "manage:home": MANAGERS,
    "pages:list": {"platform_admin"},
    "pages:edit": {"platform_admin"},
    "manage:trail": {"platform_admin", "auditor"},
    "hours:agency": MANAGERS,
    "hours:export": MANAGERS,
    "hours:deleted": IMPORTERS,
    "hours:help": MANAGERS,
    "hours:all": {"platform_admin", "auditor"},
    "hours:runs": MANAGERS,
    "hours:waiting": MANAGERS,
    "imports:run": MANAGERS,
    "imports:run_progress": MANAGERS,
    "imports:run_rows": MANAGERS,
    "imports:run_report": MANAGERS,
    "hours:sample": MANAGERS,
    "hours:run_undo": IMPORTERS,
    "compliance:rules": MANAGERS,
    "compliance:rule": MANAGERS,
    "compliance:effect": MANAGERS,
    "compliance:add_rule": {"platform_admin"},
    "compliance:change_rule": {"platform_admin"},
    "compliance:end_rule": {"platform_admin"},
    "compliance:policy": {"platform_admin"},
    "compliance:cancel_policy": {"platform_admin"},
    "compliance:cancel_version": {"platform_admin"},
    "compliance:add_example": {"platform_admin"},
    **lists("duplicates", MANAGERS),
    **lists("claims", MANAGERS),
    **module("online_courses", MANAGERS, IMPORTERS),
    **module("classroom_courses", MANAGERS, IMPORTERS),
    **module("sessions", MANAGERS, IMPORTERS),
    **lists("sign_ups", MANAGERS),
    **lists("online_scores", MANAGERS),
    **lists("classroom_scores", MANAGERS),
    "scores:upload": IMPORTERS,
    **lists("portal_uploads", MANAGERS),
    **lists("uploaded_hours", MANAGERS),
    "authoring:add_material": IMPORTERS,
    "authoring:edit_material": IMPORTERS,
    "authoring:add_question": IMPORTERS,
    "authoring:edit_question": IMPORTERS,
    "authoring:quiz": IMPORTERS,
    "courses:my_courses": set(ROLES),
    "courses:course": set(ROLES),
    "courses:learn": set(ROLES),
    "courses:material": set(ROLES),
    "courses:file": set(ROLES),
    "courses:quiz": set(ROLES),
    "courses:attend": set(ROLES),
    "courses:teaching": TEACHERS,
    "courses:session": TEACHERS,
    "courses:room": TEACHERS,
    "courses:code": TEACHERS,
    **module("departments", MANAGERS, IMPORTERS),
    **module("agencies", MANAGERS, {"platform_admin"}),
    "rosters:page": IMPORTERS,
    **module("people", MANAGERS, IMPORTERS),
    **module("teachers", MANAGERS, IMPORTERS),
    "boards:trend": MANAGERS,
    "boards:board": MANAGERS,
    "boards:people": MANAGERS,
    "boards:download": MANAGERS,
    "boards:person": MANAGERS,
    "assignments:assign": IMPORTERS,
    "boards:city": {"platform_admin", "auditor"},
    **module("devices", MANAGERS, IMPORTERS),
    **module("products", MANAGERS, {"platform_admin"}),
    **module("campaigns", MANAGERS, {"platform_admin"}),
    **module("advisories", MANAGERS, {"platform_admin"}),
    **lists("incidents", MANAGERS),
    **lists("decisions", MANAGERS),
    **lists("addresses", MANAGERS),
    **lists("indicators", MANAGERS),
    **module("agency_groups", MANAGERS, {"platform_admin"}),
    **module("vendors", MANAGERS, {"platform_admin"}),
    "security:advisory_devices": MANAGERS,
    "security:add_evidence": IMPORTERS,
    "security:evidence": MANAGERS,
    "reviews:queue": MANAGERS,
    "reviews:item": IMPORTERS,
    "reviews:delegations": IMPORTERS,
    "application_forms:identities": set(ROLES),
    "application_forms:coming": IMPORTERS,
    "application_forms:going": IMPORTERS,
    **lists("applications", MANAGERS),
    **lists("transfers", MANAGERS),
    **lists("changes", MANAGERS),
    **lists("resets", MANAGERS),
    **lists("person_links", MANAGERS),
    "security:time_limits": MANAGERS,
    "security:sign_off": MANAGERS,
    "security:officers": MANAGERS,
    "security:import_devices": IMPORTERS,
    "security:inventory_template": IMPORTERS,
    "security:import_products": {"platform_admin"},
    "security:product_template": {"platform_admin"},
    "security:import_advisories": {"platform_admin"},
    "security:intelligence_file": {"platform_admin"},
}
MATRIX = {
    **{name: who for one in every() for name, who in derived.addresses_of(one).items()},
    **_AGREED,
}
POST_ONLY = {
    *(f"{one.name}:{action.name}" for one in every() for action in one.actions),
    "security:incident_action",
    "accounts:logout",
    "portal:certificate",
    "external_hours:withdraw",
    "imports:upload",
    "imports:run_password",
    "imports:run_commit",
    "hours:columns",
    "hours:delete",
    "hours:restore",
    "compliance:remove_example",
    "boards:remind",
    "reviews:batch",
    "reviews:end_delegation",
    "application_forms:withdraw_identities",
    "application_forms:withdraw_transfer",
    "courses:enroll",
    "courses:bookmark",
    "courses:sign_up",
    "courses:withdraw",
    "courses:session_file",
    "courses:finish",
    "authoring:raise_material",
    "authoring:drop_material",
    "authoring:drop_question",
}
OPEN = {
    *("accounts:login", "accounts:reset", "operations:alive", "operations:ready"),
    *("portal:sitemap", "portal:faq", "portal:about"),
    *("application_forms:apply", "application_forms:state"),
}
WITH_SETTING = {"operations:metrics", "operations:security_contact", "development:components"}
EVERYBODYS = {
    *("pages:edit", "portal:verify"),
    *(
        f"{name}:{page}"
        for name in (one.name for one in every() if one.is_shared)
        for page in ("page", "history")
    ),
    *("compliance:rule", "compliance:change_rule", "compliance:end_rule"),
    *("compliance:add_example", "compliance:remove_example"),
}
"""Addresses of things that belong to no agency."""


def addresses():
    """Every address of the site: its name, and its path with a {place} for each parameter."""
    for namespace in get_resolver().url_patterns:
        for pattern in namespace.url_patterns:
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{namespace.pattern}{pattern.pattern}")
            yield f"{namespace.namespace or namespace.app_name}:{pattern.name}", path
