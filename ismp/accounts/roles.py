"""Who may do what, as one readable table.  Knows neither pages nor models."""

from enum import StrEnum


class Right(StrEnum):
    MANAGE = "manage"
    """Enter 管理環境."""
    ALL_AGENCIES = "all_agencies"
    """See beyond one's own agency; without it every query is scoped to the own one."""
    VIEW_TRAIL = "view_trail"
    """Read the audit trail, and verify it."""

    VIEW_HOURS = "view_hours"
    """See hours, runs of imports, standings."""
    IMPORT_HOURS = "import_hours"
    """Send files of hours, and try them."""
    DELETE_HOURS = "delete_hours"
    """Delete hours, and restore what was deleted."""
    UNDO_IMPORT = "undo_import"
    """Take an import back."""
    RECOGNIZE_HOURS = "recognize_hours"
    """Decide on hours that people claim with a certificate."""
    REMIND = "remind"
    """Tell people that they lack hours."""

    VIEW_PEOPLE = "view_people"
    """Departments and accounts."""
    EDIT_PEOPLE = "edit_people"
    """Keep departments and accounts: add, change, suspend, transfer, reset a password."""

    TRANSFER_PEOPLE = "transfer_people"
    """Move people to another agency without asking it; others ask (`ismp.applications`)."""

    VIEW_COURSES = "view_courses"
    """See courses, who takes them, and scores."""
    MANAGE_COURSES = "manage_courses"
    """Make courses, classes and teachers; assign courses; decide about places."""
    TEACH = "teach"
    """Mark attendance and scores of the courses one teaches."""

    VIEW_SECURITY = "view_security"
    """Incidents, devices and advisories of the own agency."""
    EDIT_SECURITY = "edit_security"
    """Answer advisories, keep the inventory, handle incidents."""
    REVIEW_SECURITY = "review_security"
    """Review incidents, publish advisories, keep the list of restricted products."""

    MANAGE_AGENCIES = "manage_agencies"
    """Keep the agencies: name, 責任等級, parent, contact, 資安長; merge and dissolve them."""
    MANAGE_RULES = "manage_rules"
    """Write the duties of 學習地圖 and the policies of standing."""
    EDIT_PAGES = "edit_pages"
    """Write 常見問題, 網站介紹 and 熱門關鍵字 anew."""
    VIEW_TICKETS = "view_tickets"
    """See what others reported: of the own agency, or of all."""
    ANSWER_TICKETS = "answer_tickets"
    """Answer what is reported, and close it."""


class Role(StrEnum):
    STAFF = "staff"
    TEACHER = "teacher"
    AGENCY_ADMIN = "agency_admin"
    PLATFORM_ADMIN = "platform_admin"
    AUDITOR = "auditor"


ROLE_NAMES = {
    Role.STAFF: "同仁",
    Role.TEACHER: "教師",
    Role.AGENCY_ADMIN: "機關管理者",
    Role.PLATFORM_ADMIN: "平台管理者",
    Role.AUDITOR: "稽核",
}

APPOINTS: dict[Role, frozenset[Role]] = {
    Role.AGENCY_ADMIN: frozenset({Role.STAFF, Role.TEACHER, Role.AGENCY_ADMIN}),
    Role.PLATFORM_ADMIN: frozenset(Role),
}
"""Which roles one may give and take, and whose accounts one may touch at all."""

OF_AN_AGENCY = frozenset({Role.AGENCY_ADMIN, Role.TEACHER})
"""Roles that end when their holder moves to another agency."""

_VIEW = {
    Right.MANAGE,
    Right.VIEW_HOURS,
    Right.VIEW_PEOPLE,
    Right.VIEW_COURSES,
    Right.VIEW_SECURITY,
    Right.VIEW_TICKETS,
}
_EDIT = {
    Right.IMPORT_HOURS,
    Right.DELETE_HOURS,
    Right.UNDO_IMPORT,
    Right.RECOGNIZE_HOURS,
    Right.REMIND,
    Right.EDIT_PEOPLE,
    Right.MANAGE_COURSES,
    Right.TEACH,
    Right.EDIT_SECURITY,
}
_EVERYWHERE = {Right.ALL_AGENCIES, Right.VIEW_TRAIL}
_PLATFORM = {
    Right.TRANSFER_PEOPLE,
    Right.REVIEW_SECURITY,
    Right.MANAGE_AGENCIES,
    Right.MANAGE_RULES,
    Right.EDIT_PAGES,
    Right.ANSWER_TICKETS,
}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.STAFF: frozenset(),
    Role.TEACHER: frozenset({Right.TEACH}),
    Role.AGENCY_ADMIN: frozenset(_VIEW | _EDIT),
    Role.PLATFORM_ADMIN: frozenset(_VIEW | _EDIT | _EVERYWHERE | _PLATFORM),
    Role.AUDITOR: frozenset(_VIEW | _EVERYWHERE),
}
