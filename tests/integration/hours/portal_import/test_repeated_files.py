"""Files that come again: the same, overlapping, corrected, after a deletion, after an undo.

Each story is a list of steps; after every file the numbers are those written here and those of
the oracle, whose store is deleted from and undone along with the database.
"""

import pytest

from tests.support.file_stories import STORIES, follow

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("story", STORIES)
def test_files_that_come_again(cities, story):
    follow(STORIES[story])
