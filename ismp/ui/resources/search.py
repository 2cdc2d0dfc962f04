"""Conditions of searches; `ui.text.search_folding` prepares the text."""

from django.db.models import Q


def containing(field: str, text: str) -> Q:
    """Return the condition that a field contains a text, whatever its case.

    Text without case (Chinese, digits) is compared as it is: PostgreSQL then need not turn each
    value to capitals first, which is two thirds of its work.
    """
    how = "contains" if text.upper() == text.lower() else "icontains"
    return Q(**{f"{field}__{how}": text})
