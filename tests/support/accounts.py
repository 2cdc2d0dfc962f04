"""Accounts of the invented city, as the database has them now."""

from ismp.accounts.models import Account


def account_named(username):
    return Account.objects.select_related("agency", "department").get(username=username)
