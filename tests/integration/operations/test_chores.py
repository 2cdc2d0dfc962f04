"""Chores of the worker: one that fails stops no other."""

import logging
import os
import time

import pytest

from ismp.operations import chores
from ismp.operations.chores import Chore


def test_a_chore_that_fails_is_named_and_the_others_are_done(caplog, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(chores.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(chores.connections, "close_all", lambda: None)
    done = []

    def fail():
        done.append("failing")
        raise RuntimeError("A123456789")

    table = [Chore("fail", fail, 3600), Chore("mail", lambda: done.append("mail"), 3600)]
    with caplog.at_level(logging.WARNING):
        chores.run_due(table)
    assert done == ["failing", "mail"]
    assert "fail: RuntimeError" in caplog.text and "A123456789" not in caplog.text
    now[0] += 61
    chores.run_due(table)  # what failed is tried again soon, what was done is not
    assert done == ["failing", "mail", "failing"]
    now[0] += 3600
    chores.run_due(table)
    assert done == ["failing", "mail", "failing", "failing", "mail"]


@pytest.mark.django_db
def test_every_chore_can_be_done_on_an_empty_site(caplog, monkeypatch):
    monkeypatch.setattr(chores.connections, "close_all", lambda: None)
    table = chores.all_chores()
    with caplog.at_level(logging.WARNING):
        chores.run_due(table)
    assert "chore failed" not in caplog.text
    assert all(chore.due > time.monotonic() - 60 for chore in table)


def test_temporary_files_of_a_killed_process_go_after_a_day(settings, tmp_path):
    settings.TEMPORARY = tmp_path
    old, new = tmp_path / "old", tmp_path / "new"
    for file in (old, new):
        file.touch()
    os.utime(old, (0, 0))
    chores.sweep_temporary_files()
    assert [one.name for one in tmp_path.iterdir()] == ["new"]
