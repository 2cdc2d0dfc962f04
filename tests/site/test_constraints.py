"""Constraints speak Chinese: no name of a constraint, no English label."""

import re

import pytest
from django import forms
from django.apps import apps

OFFERED = "its form offers the choices"
NOT_BY_A_FORM = {
    "identities_are_a_known_set": OFFERED,
    "role_is_a_known_role": OFFERED,
    "status_is_active_or_left": "an action sets it",
    "a_course_is_online_or_in_a_classroom": "each list adds its own kind",
    "course_category_is_a_known_one": OFFERED,
    "course_state_is_a_known_state": "an action sets it",
    "material_is_of_a_known_kind": OFFERED,
    "session_state_is_a_known_state": "an action sets it",
    "claim_state_is_a_known_state": "an action sets it",
    "what_was_recognised_has_its_hours": "an action sets both",
    "an_end_has_its_moment": "an action sets both",
    "device_kind_is_a_known_kind": OFFERED,
    "network_is_a_known_network": OFFERED,
}
"""Constraints of what forms edit that no form can break, and why."""
_CHINESE = re.compile("[\u4e00-\u9fff].*[。]$")


def _forms(of=forms.ModelForm):
    for one in of.__subclasses__():
        yield one
        yield from _forms(one)


def _edited():
    """The models that some form of the site edits."""
    import ismp.config.urls  # noqa: F401 (so that every form is known)

    ours = [one for one in _forms() if one.__module__.startswith("ismp.")]
    return {one._meta.model for one in ours if one._meta.model}


def _of_models():
    for model in apps.get_models():
        if model.__module__.startswith("ismp."):
            for one in model._meta.constraints:
                yield model, one


def _says(constraint):
    words = str(constraint.violation_error_message)
    return bool(_CHINESE.search(words)) and "%(" not in words


@pytest.mark.parametrize("constraint", [one for _, one in _of_models()], ids=lambda one: one.name)
def test_what_a_form_can_break_is_said_in_chinese(constraint):
    edited = {one.name for model, one in _of_models() if model in _edited()}
    if constraint.name in edited and constraint.name not in NOT_BY_A_FORM:
        assert _says(constraint)
    if constraint.violation_error_message != constraint.default_violation_error_message:
        assert _says(constraint)


def test_the_list_of_exceptions_is_not_longer_than_it_must_be():
    edited = {one.name: one for model, one in _of_models() if model in _edited()}
    assert set(NOT_BY_A_FORM) <= set(edited)
    assert not [name for name in NOT_BY_A_FORM if _says(edited[name])]


def test_a_field_that_is_unique_says_so_in_chinese():
    for model in _edited():
        for field in model._meta.concrete_fields:
            if field.unique and field.editable and not field.primary_key and not field.is_relation:
                assert _CHINESE.search(field.error_messages["unique"]), field
