"""Who may do what, as one readable table.  Knows neither pages nor models."""

from enum import StrEnum


class Right(StrEnum):
    MANAGE = "manage"
    """Enter 管理環境."""
    VIEW_HOURS = "view_hours"
    IMPORT_HOURS = "import_hours"
    DELETE_HOURS = "delete_hours"
    UNDO_IMPORT = "undo_import"
    ALL_AGENCIES = "all_agencies"
    """See beyond one's own agency; without it every query is scoped to the own one."""
    VIEW_TRAIL = "view_trail"
    VIEW_COURSES = "view_courses"
    """See courses, who takes them, and scores."""
    MANAGE_COURSES = "manage_courses"
    TEACH = "teach"
    """Mark attendance and scores of the courses one teaches."""


class Role(StrEnum):
    STAFF = "staff"
    AGENCY_ADMIN = "agency_admin"
    PLATFORM_ADMIN = "platform_admin"
    AUDITOR = "auditor"
    TEACHER = "teacher"


ROLE_NAMES = {
    Role.STAFF: "同仁",
    Role.AGENCY_ADMIN: "機關管理者",
    Role.PLATFORM_ADMIN: "平台管理者",
    Role.AUDITOR: "稽核",
    Role.TEACHER: "教師",
}

_HOURS = {Right.MANAGE, Right.VIEW_HOURS, Right.IMPORT_HOURS, Right.DELETE_HOURS, Right.UNDO_IMPORT}
_COURSES = {Right.VIEW_COURSES, Right.MANAGE_COURSES, Right.TEACH}
_EVERYWHERE = {Right.ALL_AGENCIES, Right.VIEW_TRAIL}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.STAFF: frozenset(),
    Role.AGENCY_ADMIN: frozenset(_HOURS | _COURSES),
    Role.PLATFORM_ADMIN: frozenset(_HOURS | _COURSES | _EVERYWHERE),
    Role.AUDITOR: frozenset({Right.MANAGE, Right.VIEW_HOURS, Right.VIEW_COURSES} | _EVERYWHERE),
    Role.TEACHER: frozenset({Right.TEACH}),
}
