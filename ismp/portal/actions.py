"""Deeds of the portal: write a page anew."""

from django.db import IntegrityError, transaction

from ismp.accounts import national_id
from ismp.accounts.models import Account
from ismp.audit import trail
from ismp.portal.models import Page, PageVersion


class NotPossible(ValueError):
    """The deed cannot be done; the text is one sentence in Chinese."""


@transaction.atomic
def save_page(page: Page, *, body: str, based_on: int, by: Account) -> PageVersion:
    """Show a new text from now on; the old ones stay.

    `based_on` is the number of the version that the writer started from.  Raises NotPossible when
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
        raise NotPossible(
            "您編輯的時候，別人已經儲存了新的版本；請把您的文字複製下來，重新開啟這一頁再修改。"
        ) from error
    trail.record("save_page", actor=by.username, agency=by.agency.code, subject=str(version))
    return version
