"""Errors that every part of the platform may raise; knows nobody."""


class SettingRefused(Exception):
    """A setting from the environment cannot be used; the text says which and what to do."""


class ActionRefused(ValueError):
    """An action cannot be done (any more), and leaves no event; the text is in Chinese."""
