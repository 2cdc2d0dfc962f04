"""Lists from a real streaming replica: others' actions may come later, one's own never."""

import json
import time

import pytest

from ismp.accounts import demo_data
from ismp.storage import replica
from tests.support.hosts import PASSWORD, Browser, Hosts, wait_for, wait_for_web
from tests.support.portal_files import data, row
from tests.support.postgres import Cluster

pytestmark = [pytest.mark.postgresql, pytest.mark.end_to_end]
LIST = "/manage/learning-map/agency-hours/"
EXPORT = "/manage/learning-map/hours/export/?format="
SHORT_SECONDS = 1
RECORDS_AND_SUMS = (
    "hours_record, hours_monthlycount, hours_personyear, hours_searchtext, hours_recordsversion"
)
OWN, COLLEAGUE, STRANGER = "IC1001", "IC1002", "EP1001"
APPOINT = f"""
from django.contrib.auth.hashers import make_password
from ismp.accounts.models import Account
Account.objects.filter(username__in=["{OWN}", "{COLLEAGUE}", "{STRANGER}"]).update(
    role="agency_admin", password=make_password("{PASSWORD}"))
"""


class Town:
    """A primary and its replica; two web servers, one of which is soon impatient with the replica."""

    def __init__(self, folder):
        self.primary = Cluster()
        self.hosts = Hosts(folder, self.primary.url())
        self.hosts.bring(demo_data.city())
        self.replica = Cluster(self.primary)
        self.hosts.python(APPOINT)
        url = self.replica.url()
        self.patient = self.hosts.web(DATABASE_REPLICA_URL=url, ISMP_REPLICA_LAG_SECONDS="3600")
        self.impatient = self.hosts.web(
            DATABASE_REPLICA_URL=url, ISMP_REPLICA_LAG_SECONDS=str(SHORT_SECONDS)
        )
        self.hosts.worker()
        wait_for_web([self.patient, self.impatient])

    def close(self):
        self.hosts.close()
        self.replica.remove()
        self.primary.remove()

    def person(self, username, port=None):
        browser = Browser(lambda: port or self.patient)
        browser.sign_in(username)
        self.wait_for_replica()  # signing in is an action too
        return browser

    def rename(self, title):
        """A change behind everybody's back: who sees it reads from the primary."""
        self.primary.execute(f"UPDATE hours_record SET title = '{title}'")

    def pause(self):
        self.wait_for_replica()
        self.replica.execute("SELECT pg_wal_replay_pause()")
        state = "SELECT pg_get_wal_replay_pause_state()"
        wait_for(lambda: self.replica.execute(state) == [("paused",)])

    def resume(self):
        self.replica.execute("SELECT pg_wal_replay_resume()")
        self.wait_for_replica()

    def wait_for_replica(self):
        [(position,)] = self.primary.execute("SELECT pg_current_wal_insert_lsn()::text")
        done = f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
        wait_for(lambda: self.replica.execute(done) == [(True,)])


@pytest.fixture(scope="module")
def whole_town(tmp_path_factory):
    town = Town(tmp_path_factory.mktemp("town"))
    yield town
    town.close()


@pytest.fixture
def town(whole_town):
    """With one record in each of two agencies, both called 原名."""
    other = next(p for p in demo_data.city() if p.agency_code == "382990002Z" and p.active)
    whole_town.primary.execute(f"TRUNCATE {RECORDS_AND_SUMS}")
    imported(whole_town.person(OWN), row(title="原名"))
    theirs = row(national_id=other.national_id, name=other.name, title="原名")
    imported(whole_town.person(STRANGER), theirs)
    whole_town.wait_for_replica()
    yield whole_town
    whole_town.resume()


def imported(browser, *rows):
    """Upload and look on until it is done."""
    window = json.loads(browser.upload("成績.csv", data(*rows)).text)["window"]
    wait_for(lambda: browser.get(window).status == 286)


def test_who_has_done_nothing_reads_from_the_replica(town):
    stranger = town.person(STRANGER)
    town.pause()
    town.rename("改名")
    assert "原名" in stranger.get(LIST).text
    assert "原名" in stranger.get(f"{EXPORT}csv").text
    town.resume()
    assert "改名" in stranger.get(LIST).text


def test_an_import_is_seen_at_once_by_who_made_it_and_by_her_agency(town):
    me, colleague, stranger = map(town.person, (OWN, COLLEAGUE, STRANGER))
    town.pause()
    imported(me, row(title="新課", term="2"))
    for browser in (me, colleague):
        assert "新課" in browser.get(LIST).text
    town.rename("改名")
    assert "原名" in stranger.get(LIST).text
    town.resume()
    town.pause()
    town.rename("又改名")
    assert "改名" in me.get(LIST).text
    assert "又改名" not in me.get(LIST).text, (
        "the replica has come so far: the session may read there again"
    )


def test_every_action_counts_not_only_imports(town):
    me = town.person(OWN)
    town.pause()
    me.post(
        "/manage/learning-map/hours/delete/", {"everything": "1", "reason": "誤", "confirmed": "1"}
    )
    assert "原名" not in me.get(LIST).text
    assert "原名" not in me.get(f"{EXPORT}csv").text


def test_a_replica_far_behind_is_not_read(town):
    stranger = town.person(STRANGER, town.impatient)
    town.pause()
    town.rename("改名")
    time.sleep(SHORT_SECONDS + 0.5)
    assert "改名" in stranger.get(LIST).text


def test_a_quiet_replica_is_not_far_behind(town):
    """Nothing is written for longer than a list may be old; its last transaction is that old."""
    stranger = town.person(STRANGER, town.impatient)
    time.sleep(SHORT_SECONDS + 0.5)
    [(before,)] = town.replica.execute("SELECT now()::text")
    read_there = (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        f" AND query LIKE '%\"hours_record\"%' AND query_start > '{before}'"
    )

    def asked_again():
        assert "原名" in stranger.get(LIST).text
        return town.replica.execute(read_there) == [(True,)]

    # A page may fall into the moment in which the server itself has written something.
    wait_for(asked_again, every=SHORT_SECONDS + 0.5)


def test_without_the_replica_all_pages_work(town):
    me = town.person(OWN)
    me.get(LIST)  # a connection is open
    town.replica.stop()
    try:
        town.rename("改名")
        assert "改名" in me.get(LIST).text
        assert "改名" in me.get(f"{EXPORT}csv").text
        imported(me, row(title="新課", term="3"))
        assert "新課" in me.get(LIST).text
    finally:
        town.replica.start()
    assert all(answer.status < 500 for answer in me.answers)
    time.sleep(replica.LEFT_ALONE_SECONDS + 0.5)
    town.pause()
    town.rename("又來")
    assert "改名" in me.get(LIST).text, "the replica is back"
