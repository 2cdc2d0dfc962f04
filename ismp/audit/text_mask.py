"""Texts that no form and no event may hold (ADR 4); accounts registers what these are.

Neither `ui` nor `audit` knows a national ID; `AccountsConfig.ready` registers who masks it.
"""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured


def _unregistered(value: Any, *, valid: bool = False) -> Any:
    raise ImproperlyConfigured("no text mask is registered: nothing may be stored unmasked")


_mask: Callable[..., Any] = _unregistered


def register(mask: Callable[..., Any]) -> None:
    """Have texts masked by `mask(value, *, valid)`: of a text, or of all texts within a dict or
    list; with `valid` only what is valid, where numbers look alike."""
    global _mask  # noqa: PLW0603 (set once, when the apps are ready)
    _mask = mask


def mask(value: Any, *, valid: bool = False) -> Any:
    """Return the value without what no text may hold.  Raises when nobody has registered."""
    return _mask(value, valid=valid)
