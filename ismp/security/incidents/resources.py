"""資通安全通報 as data (see `ismp.ui.resources.resource`)."""

from ismp.accounts.resources import AGENCY, OF_AGENCY
from ismp.accounts.roles import Right
from ismp.security.incidents.levels import Level
from ismp.security.models import Incident, IncidentState
from ismp.ui.resources.columns import Column
from ismp.ui.resources.resource import Filter, MenuPlace, Resource


def _level_tone(incident: Incident) -> str:
    return "red" if (incident.level or 0) >= Level.THREE else "amber" if incident.level else ""


def _state_tone(incident: Incident) -> str:
    if incident.state == IncidentState.WITHDRAWN:
        return "quiet"
    return "green" if incident.state == IncidentState.CLOSED else "amber"


INCIDENTS = Resource(
    name="incidents",
    title="資通安全通報",
    thing="事件",
    rows=lambda user: (
        Incident.objects.visible_to(user)
        .in_administration(user)
        .select_related("agency", "reporter")
    ),
    columns=(
        Column("編號", "number"),
        AGENCY,
        Column("事件名稱", "title", "text"),
        Column("等級", lambda one: f"{one.level} 級" if one.level else "未定", tone=_level_tone),
        Column(
            "狀態",
            "get_state_display",
            tone=_state_tone,
        ),
        Column("演練", "is_drill"),
        Column("知悉時間", "known_at", "date"),
        Column("通報時間", "reported_at", "date"),
    ),
    search={"title": "事件名稱", "agency__name": "機關"},
    filters=(
        OF_AGENCY,
        Filter("state", "狀態", IncidentState.choices),
        Filter("level", "等級", [(str(level.value), f"{level.value} 級") for level in Level]),
        Filter("is_drill", "演練", [("True", "演練"), ("False", "實際事件")]),
    ),
    menu=MenuPlace("資安管制作業"),
    view=Right.VIEW_SECURITY,
    page="security/incident_page.html",
    more=(Column("通報人", "reporter.name"), Column("復原時間", "recovered_at", "date")),
    links=(
        (Right.EDIT_SECURITY, "通報資安事件", "security:report"),
        (Right.VIEW_SECURITY, "法定期限", "security:time_limits"),
    ),
    empty="發現可疑情形時，請按「通報資安事件」。",
)
