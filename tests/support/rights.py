"""Who may open which address: every address × every role (tests/site/test_pages.py walks it).

A new address without a row fails the suite.  `things` makes one thing of the first agency for
each parameter that an address can have.
"""

import re

from django.urls import get_resolver

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
MATRIX = {
    "portal:home": set(ROLES),
    "portal:hours": set(ROLES),
    "external_hours:mine": set(ROLES),
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
    "hours:run": MANAGERS,
    "hours:run_progress": MANAGERS,
    "hours:run_rows": MANAGERS,
    "hours:run_report": MANAGERS,
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
    "courses:mine": set(ROLES),
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
POST_ONLY = {
    "security:incident_action",
    "accounts:logout",
    "portal:certificate",
    "external_hours:withdraw",
    *(f"claims:{action}" for action in ("approve", "refuse", "revoke")),
    "hours:upload",
    "hours:run_password",
    "hours:run_commit",
    "hours:columns",
    "hours:delete",
    "hours:restore",
    "compliance:remove_example",
    "departments:merge",
    *(f"agencies:{action}" for action in ("grade", "rename", "officer", "close", "cancel")),
    "people:change",
    "people:transfer",
    "people:leave",
    "people:return",
    "people:grant_leave",
    "people:withdraw_leave",
    "people:cancel_service",
    "people:appoint",
    "people:reset_password",
    "people:end_sessions",
    "people:set_national_id",
    "teachers:add_certificate",
    "teachers:remove_certificate",
    "boards:remind",
    "reviews:batch",
    "reviews:end_delegation",
    "application_forms:withdraw_identities",
    "application_forms:withdraw_transfer",
    "person_links:revoke",
    *(f"devices:{action}" for action in ("retire-by", "keep", "retired", "unretire")),
    *(f"decisions:{action}" for action in ("approve", "reject", "withdraw")),
    *("products:lift", *(f"campaigns:{action}" for action in ("sign", "withdraw", "extend"))),
    *(
        f"advisories:{action}"
        for action in ("publish", "extend", "close", "withdraw", "stix", "iocs")
    ),
    *(f"addresses:{action}" for action in ("acknowledge", "answer", "remove", "incident")),
    "courses:enroll",
    "courses:bookmark",
    "courses:sign_up",
    "courses:withdraw",
    "courses:session_file",
    "courses:finish",
    "authoring:raise_material",
    "authoring:drop_material",
    "authoring:drop_question",
    "online_courses:open",
    "online_courses:close",
    "online_courses:assign",
    "classroom_courses:open",
    "classroom_courses:close",
    "sessions:put_in",
    "sessions:call_off",
    "sign_ups:approve",
    "sign_ups:refuse",
    "sign_ups:take_out",
    *("portal_uploads:again", "portal_uploads:revoke", "uploaded_hours:corrected"),
    "duplicates:once",
    "duplicates:twice",
}
OPEN = {
    *("accounts:login", "accounts:reset", "operations:alive", "operations:ready"),
    *("portal:sitemap", "portal:faq", "portal:about"),
    *("application_forms:apply", "application_forms:state"),
}
WITH_SETTING = {"operations:metrics", "operations:security_contact"}
EVERYBODYS = {
    *("pages:edit", "portal:verify"),
    *(
        f"{name}:{page}"
        for name in ("products", "campaigns", "agency_groups", "vendors")
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
