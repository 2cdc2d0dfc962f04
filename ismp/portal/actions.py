"""Actions of the portal: write a page anew; report a fault, answer, close; certify hours.

Whatever people type goes through `national_id.hide` before it is stored.
"""

from datetime import date

from django.db import IntegrityError, transaction
from django.utils import timezone

from ismp.accounts import national_id
from ismp.accounts.models import Account, Status
from ismp.accounts.roles import Role
from ismp.audit import trail
from ismp.errors import ActionRefused
from ismp.imports.models import ImportRun
from ismp.notifications.actions import notify
from ismp.portal import verbs
from ismp.portal.models import Answer, Certificate, Page, PageVersion, Ticket
from ismp.portal.my_hours import certificate


@transaction.atomic
def save_page(page: Page, *, body: str, based_on: int, by: Account) -> PageVersion:
    """Show a new text from now on; the old ones stay.

    `based_on` is the number of the version that the writer started from.  Raises ActionRefused when
    somebody else has saved one since.
    """
    version = PageVersion(
        page=page,
        number=based_on + 1,
        body=national_id.hide(body),
        saved_by=by.username,
        saved_by_name=by.name,
    )
    newest = PageVersion.current(page)
    try:
        if newest.number != based_on:
            raise IntegrityError
        with transaction.atomic():
            version.save(force_insert=True)
    except IntegrityError as error:
        raise ActionRefused(
            "您編輯的時候，別人已經儲存了新的版本；請把您的文字複製下來，重新開啟這一頁再修改。"
        ) from error
    trail.record(verbs.SAVE_PAGE, version, actor=by.username, agency=by.agency.code)
    return version


@transaction.atomic
def issue_certificate(*, start: date, end: date, by: Account) -> Certificate:
    """Certify one's own hours of a period.  The same again on the same day is the same paper."""
    records = certificate.listed(by, start, end)
    issued = Certificate(
        account=by,
        name=by.name,
        agency_name=by.agency.name,
        start=start,
        end=end,
        sums=certificate.sums(records),
        count=len(records),
        records_digest=certificate.digest(records),
        issued_on=timezone.localdate(),
    )
    issued.code = certificate.code_of(issued)
    Certificate.objects.bulk_create([issued], ignore_conflicts=True)
    issued = Certificate.objects.get(code=issued.code)
    trail.record(verbs.ISSUE_CERTIFICATE, issued, actor=by.username, agency=by.agency.code)
    return issued


@transaction.atomic
def open_ticket(
    *, subject: str, place: str, body: str, contact: str, run: ImportRun | None, by: Account
) -> Ticket:
    """Report a fault to the help desk, which is told at once."""
    ticket = Ticket.objects.create(
        account=by,
        agency_id=by.agency_id,
        subject=national_id.hide(subject),
        place=national_id.hide(place),
        body=national_id.hide(body),
        contact=national_id.hide(contact),
        run=run,
    )
    _tell_desk(ticket, f"新的報修案件 {ticket.pk}")
    trail.record(verbs.OPEN_TICKET, ticket, actor=by.username)
    return ticket


@transaction.atomic
def answer(ticket: Ticket, *, body: str, by: Account) -> Answer:
    """Add to a ticket: the help desk answers; an addition by the person waits for an answer,
    also after it was closed.  The other side is told."""
    ticket = Ticket.objects.select_for_update(of=("self",)).get(pk=ticket.pk)
    by_desk = by.pk != ticket.account_id
    said = Answer.objects.create(
        ticket=ticket, body=national_id.hide(body), by=by.username, by_name=by.name
    )
    ticket.state = Ticket.State.ANSWERED if by_desk else Ticket.State.OPEN
    ticket.closed_at = None
    ticket.save(update_fields=["state", "closed_at"])
    if by_desk:
        _tell_person(ticket, "已有回覆")
    else:
        _tell_desk(ticket, f"報修案件 {ticket.pk} 有補充說明")
    trail.record(verbs.ANSWER_TICKET, ticket, actor=by.username)
    return said


@transaction.atomic
def close_ticket(ticket: Ticket, *, by: Account) -> Ticket:
    """Close the ticket; notify its author unless it is `by`.  Raises ActionRefused."""
    ticket = Ticket.objects.select_for_update(of=("self",)).get(pk=ticket.pk)
    if ticket.state == Ticket.State.CLOSED:
        raise ActionRefused("這個報修案件已經結案；還有問題時，請在下面補充說明。")
    ticket.state, ticket.closed_at = Ticket.State.CLOSED, timezone.now()
    ticket.save(update_fields=["state", "closed_at"])
    if by.pk != ticket.account_id:
        _tell_person(ticket, "已經結案")
    trail.record(verbs.CLOSE_TICKET, ticket, actor=by.username)
    return ticket


def _tell_person(ticket: Ticket, what: str) -> None:
    subject = f"您的報修案件 {ticket.pk} {what}"
    notify([ticket.account], kind="ticket", subject=subject, link=ticket.get_absolute_url())


def _tell_desk(ticket: Ticket, subject: str) -> None:
    desk = Account.objects.filter(role=Role.PLATFORM_ADMIN, status=Status.ACTIVE)
    notify(desk, kind="ticket", subject=subject, link=ticket.get_absolute_url())
