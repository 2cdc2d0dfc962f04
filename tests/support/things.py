"""Things that addresses name, for the fixture `things`: one of each, of one person's agency."""

from datetime import date, timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from ismp.accounts.actions import accounts as account_actions
from ismp.accounts.actions import person_links
from ismp.accounts.models import Account, PasswordReset, PersonLink
from ismp.applications.actions import asking as requests
from ismp.courses.models import PortalUpload, UploadedHours, UploadPiece
from ismp.external_hours import actions as external
from ismp.external_hours.models import ExternalClaim
from ismp.security.advisories.actions import advisories as advisory_actions
from ismp.security.advisories.actions import evidence, uploaded_files
from ismp.security.devices.actions import campaigns as campaign_actions
from ismp.security.devices.actions import decisions as decision_actions
from ismp.security.devices.actions import devices as device_actions
from ismp.security.devices.actions import products as product_actions
from ismp.security.incidents import actions as incident_actions
from ismp.security.models import (
    Advisory,
    Device,
    Indicator,
    RestrictedProduct,
    SignOff,
    Vendor,
)
from ismp.storage.encrypted_files import EncryptedFile
from ismp.ui.text import roc_dates

PDF = b"%PDF-1.4 certificate"


def of_security(person: Any) -> dict[str, Any]:
    """An incident, a restricted device with an exception to decide, a published advisory."""
    today = timezone.localdate()
    incident = incident_actions.open_incident(
        agency=person.agency,
        title="示範事件",
        description="示範",
        answers={},
        known_at=timezone.now(),
        by=person,
    )
    product = RestrictedProduct(brand="示範牌", letter="示範字第1號", issued_on=date(2026, 1, 1))
    product_actions.save_product(product, by=person)
    device = Device(
        agency=person.agency,
        asset_no="T-1",
        kind="hardware",
        brand="示範牌",
        network="official",
    )
    device_actions.save_device(device, by=person)
    decision = decision_actions.decide(
        device,
        kind="keep",
        reason="業務需要",
        measure="獨立網段",
        expires_on=today + timedelta(days=30),
        by=person,
    )
    year = roc_dates.roc_year(today)
    campaign = campaign_actions.open_campaign(year=year, due_on=today, by=person)
    last_year = campaign_actions.open_campaign(year=year - 1, due_on=today, by=person)
    signed = SignOff.objects.create(
        campaign=last_year,
        agency=person.agency,
        signed_by=person.username,
        signed_by_name=person.name,
        figures=campaign_actions.figures_of(person.agency),
        digest="0" * 64,
    )
    advisory = Advisory(title="示範情資", severity="high", source="示範中心", issued_on=today)
    advisory_actions.save(advisory, by=person)
    publisher = Account.objects.exclude(agency=person.agency).order_by("pk").first()
    advisory_actions.publish(advisory, agencies=[person.agency], due_on=today, by=publisher)
    address = advisory.addresses.get()
    sent = SimpleUploadedFile("情資.json", b"{}")
    proof = evidence.add(address, SimpleUploadedFile("佐證.pdf", PDF), by=person)
    ioc = Indicator.objects.create(advisory=advisory, kind="網域", value="evil.example")
    return {
        "indicators_id": ioc.pk,
        "vendors_id": Vendor.objects.earliest("pk").pk,
        "evidence_id": proof.pk,
        "intelligence_file_id": uploaded_files.receive(sent, by=person).pk,
        "incident_id": incident.pk,
        "incidents_id": incident.pk,
        "step": "note",
        "products_id": product.pk,
        "devices_id": device.pk,
        "decisions_id": decision.pk,
        "decision_id": decision.pk,
        "campaigns_id": campaign.pk,
        "sign_off_id": signed.pk,
        "advisories_id": advisory.pk,
        "addresses_id": address.pk,
    }


def of_requests(person: Any, other: Any) -> dict[str, Any]:
    """Items in one agency's queue: an application, a change of identities, a transfer of
    `person` to a third agency's administrator `other`, who asked for it."""
    today = timezone.localdate()
    application = requests.apply_for_account(
        agency=person.agency,
        department="",
        username="IC7001",
        name="申請人",
        number="F123456784",
        email="ic7001@ismp.example",
        identities="it",
        reason="新到職",
        source="192.0.2.1",
    )
    change = requests.ask_for_identities(
        identities="security+it+general", since=today, reason="職務調整", by=person
    )
    transfer = requests.ask_for(
        username=person.username,
        name=person.name,
        department=None,
        since=today,
        reason="商調",
        by=other,
    )
    colleagues = Account.objects.filter(agency=person.agency, status="active")
    asker = colleagues.exclude(pk=person.pk).order_by("-pk").first()
    reset = PasswordReset.objects.create(account=person, asked_by=asker, because="示範")
    return {
        "resets_id": reset.pk,
        "applications_id": application.pk,
        "changes_id": change.pk,
        "transfers_id": transfer.pk,
        "review_kind": "application",
        "review_id": application.pk,
    }


def of_persons(person: Any, stranger: Any, *, asked_by: Any, decided_by: Any) -> dict[str, Any]:
    """A refused 同一人確認: a third agency's administrator gave `stranger` the number of `person`."""
    account_actions.set_national_id([stranger], number=person.national_id, by=asked_by)
    link = PersonLink.objects.get(account=stranger)
    person_links.refuse(link, comment="不是同一人", by=decided_by)
    return {"person_links_id": link.pk}


def claim_of(person: Any, **changes: Any) -> ExternalClaim:
    """A claim of a person for three hours of 522 on one day of this year, with its certificate."""
    facts = {
        "category": 522,
        "title": "資安月研討會",
        "organizer": "示範學會",
        "started_on": date(timezone.localdate().year, 1, 1),
        "ended_on": date(timezone.localdate().year, 1, 1),
        "hours": 3000,
        "media_type": "application/pdf",
        "size": len(PDF),
    } | changes
    return external.apply(ExternalClaim(**facts), [PDF], by=person)


def of_uploads(record: Any, *, by: Any) -> dict[str, Any]:
    """A batch for the portal that tells of one record, with its file."""
    day = record.ended_on
    facts = {"agency": by.agency, "start": day, "end": day, "county": "10", "made_by": by.username}
    upload = PortalUpload.objects.create(
        filename="portal.csv", size=len(PDF), count=1, people=1, **facts
    )
    EncryptedFile(UploadPiece, upload.pk).write([PDF])
    row = UploadedHours.objects.create(
        upload=upload, record=record, account_id=record.account_id, hours=record.hours
    )
    return {"portal_uploads_id": upload.pk, "uploaded_hours_id": row.pk}


def of_claims(person: Any) -> dict[str, Any]:
    claim = claim_of(person)
    return {"claim_id": claim.pk, "claims_id": claim.pk}
