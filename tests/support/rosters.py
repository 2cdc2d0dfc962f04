"""Lines of a roster, and a roster that is tried or brought in."""

from ismp.accounts import demo_data
from ismp.accounts.actions import postings

HEAD = "機關代碼,機關名稱,部門,公務帳號,姓名,身分證字號,電子郵件,資安列管身分,狀態"

OWN = "382990001Z,示範市政府資訊中心"

A, B = "P109665420", "S207229716"

NEW = "382990100A,新北市測試甲局"


def take(*lines, head=HEAD, **more):
    return postings.import_roster("\r\n".join([head, *lines, ""]).encode(), by="test", **more)


def line_of(username, city):
    lines = demo_data.roster_csv(city).splitlines()
    return next(line for line in lines if f",{username}," in line)
