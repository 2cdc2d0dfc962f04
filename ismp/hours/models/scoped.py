"""Scoping: the rows of the agency, for people who may see hours."""

from ismp.accounts import models as accounts
from ismp.accounts.models.scoped import Row
from ismp.accounts.roles import Right


class Scoped(accounts.Scoped[Row]):
    right = Right.VIEW_HOURS
