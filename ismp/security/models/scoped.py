"""Scoping: the rows of the agency, for people who may see 資安管制作業."""

from ismp.accounts import models as accounts
from ismp.accounts.roles import Right


class Scoped(accounts.Scoped):
    right = Right.VIEW_SECURITY
