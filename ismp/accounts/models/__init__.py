"""機關, 部門, 帳號: who the people are and where they serve.  Knows nothing of training."""

from ismp.accounts.models.account_controls import AccountControl
from ismp.accounts.models.accounts import (
    ONLINE_FOR,
    Account,
    AccountManager,
    AccountQuerySet,
    Leave,
    LeaveQuerySet,
)
from ismp.accounts.models.agencies import (
    Agency,
    AgencyGrade,
    AgencyName,
    AgencyQuerySet,
    Closing,
    Grade,
)
from ismp.accounts.models.departments import Department, DepartmentQuerySet
from ismp.accounts.models.password_resets import PasswordReset, PasswordResetQuerySet, ResetCode
from ismp.accounts.models.person_links import PersonLink, PersonLinkQuerySet
from ismp.accounts.models.postings import Posting
from ismp.accounts.models.scoped import Scoped
from ismp.accounts.models.security_officers import SecurityOfficer, SecurityOfficerQuerySet
from ismp.accounts.models.status import Status

__all__ = [
    "ONLINE_FOR",
    "Account",
    "AccountControl",
    "AccountManager",
    "AccountQuerySet",
    "Agency",
    "AgencyGrade",
    "AgencyName",
    "AgencyQuerySet",
    "Closing",
    "Department",
    "DepartmentQuerySet",
    "Grade",
    "Leave",
    "LeaveQuerySet",
    "PasswordReset",
    "PasswordResetQuerySet",
    "PersonLink",
    "PersonLinkQuerySet",
    "Posting",
    "ResetCode",
    "Scoped",
    "SecurityOfficer",
    "SecurityOfficerQuerySet",
    "Status",
]
