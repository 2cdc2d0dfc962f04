"""Who may open which address: every address × every role (tests/test_pages.py walks it).

A new address without a row fails the suite.  `things` makes one thing of the first agency for
each parameter that an address can have.
"""

ROLES = ("staff", "agency_admin", "platform_admin", "auditor")
MANAGERS = {"agency_admin", "platform_admin", "auditor"}
IMPORTERS = {"agency_admin", "platform_admin"}


def lists(name: str, viewers: set[str]) -> dict[str, set[str]]:
    """The addresses of a module whose things are added elsewhere."""
    return {f"{name}:{page}": viewers for page in ("list", "export", "page", "history")}


def module(name: str, viewers: set[str], editors: set[str]) -> dict[str, set[str]]:
    """The addresses of a module of the list kit (ismp/ui/module.py), without its deeds."""
    return {**lists(name, viewers), f"{name}:add": editors, f"{name}:edit": editors}


# Address name → who gets in (GET); everybody else gets 403, strangers the sign-in page.
MATRIX = {
    "portal:home": set(ROLES),
    "portal:hours": set(ROLES),
    "portal:search": set(ROLES),
    "portal:verification": set(ROLES),
    "portal:verify": set(ROLES),
    "accounts:password_change": set(ROLES),
    "notices:list": set(ROLES),
    "support:list": set(ROLES),
    "support:new": set(ROLES),
    "support:ticket": set(ROLES),
    "support:bundle": MANAGERS,
    "support:manage": MANAGERS,
    "security:my_incidents": set(ROLES),
    "security:report": set(ROLES),
    "security:incident": set(ROLES),
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
    "compliance:add_example": {"platform_admin"},
    **module("departments", MANAGERS, IMPORTERS),
    "rosters:page": IMPORTERS,
    **module("people", MANAGERS, IMPORTERS),
    **module("teachers", MANAGERS, IMPORTERS),
    "boards:board": MANAGERS,
    "boards:people": MANAGERS,
    "boards:download": MANAGERS,
    "boards:person": MANAGERS,
    "boards:city": {"platform_admin", "auditor"},
    **module("devices", MANAGERS, IMPORTERS),
    **module("products", MANAGERS, {"platform_admin"}),
    **module("campaigns", MANAGERS, {"platform_admin"}),
    **module("advisories", MANAGERS, {"platform_admin"}),
    **lists("incidents", MANAGERS),
    **lists("decisions", MANAGERS),
    **lists("addresses", MANAGERS),
    "reviews:queue": MANAGERS,
    "security:time_limits": MANAGERS,
    "security:sign_off": MANAGERS,
    "security:officers": MANAGERS,
    "security:import_devices": IMPORTERS,
    "security:inventory_template": IMPORTERS,
    "security:take_in": {"platform_admin"},
}
POST_ONLY = {
    "security:incident_deed",
    "accounts:logout",
    "portal:certificate",
    "hours:upload",
    "hours:run_password",
    "hours:run_commit",
    "hours:columns",
    "hours:delete",
    "hours:restore",
    "compliance:remove_example",
    "departments:merge",
    "people:change",
    "people:transfer",
    "people:leave",
    "people:return",
    "people:grant_leave",
    "people:withdraw_leave",
    "people:appoint",
    "people:reset_password",
    "people:end_sessions",
    "people:set_national_id",
    "teachers:add_certificate",
    "teachers:remove_certificate",
    "boards:remind",
    *(f"devices:{deed}" for deed in ("retire-by", "keep", "retired")),
    *(f"decisions:{deed}" for deed in ("approve", "reject")),
    *("products:lift", "campaigns:sign"),
    *(f"advisories:{deed}" for deed in ("publish", "stix")),
    *(f"addresses:{deed}" for deed in ("acknowledge", "answer", "incident")),
}
OPEN = {
    *("accounts:login", "accounts:reset", "operations:alive", "operations:ready"),
    *("portal:sitemap", "portal:faq", "portal:about"),
}
WITH_TOKEN = {"operations:metrics"}
EVERYBODYS = {
    *("pages:edit", "portal:verify"),
    *(f"{name}:{page}" for name in ("products", "campaigns") for page in ("page", "history")),
    *("compliance:rule", "compliance:change_rule", "compliance:end_rule"),
    *("compliance:add_example", "compliance:remove_example"),
}
"""Addresses of things that belong to no agency."""
