"""A city to put under load: `city.py FOLDER CLERKS ROWS`.

Run as a process of its own beside `load.py`.  Fills the database of DATABASE_URL, writes the file
of ROWS that is imported in the middle, and prints as JSON who may sign in with what password.
"""

import json
import secrets
import sys
from datetime import date
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.core.management import call_command  # noqa: E402

from ismp.accounts import demo_data  # noqa: E402
from ismp.accounts.actions import postings as accounts  # noqa: E402
from ismp.accounts.models import Account, Agency  # noqa: E402
from ismp.accounts.roles import Role  # noqa: E402
from ismp.hours.portal_export import ExportChoices, export  # noqa: E402
from ismp.imports import actions as import_actions  # noqa: E402


def main(folder: Path, *, clerks: int, rows: int, people: int, agencies: int, filled: int) -> None:
    call_command("migrate", verbosity=0)
    city = demo_data.people(people, agencies)
    accounts.import_roster(demo_data.roster_csv(city).encode(), by="benchmark")
    year = ExportChoices(date(2026, 1, 1), date(2026, 10, 31), encoding="utf-8")
    for agency in Agency.objects.all():
        members = [person for person in city if person.agency_code == agency.code]
        data = export(members, filled // agencies, year)
        import_actions.import_file([data], agency=agency, filename="before.csv")
    first = [person for person in city if person.agency_code == city[0].agency_code]
    last_year = ExportChoices(date(2025, 1, 1), date(2025, 12, 31), encoding="utf-8")
    (folder / "import.csv").write_bytes(export(first, rows, last_year))
    password = secrets.token_urlsafe(16)
    Account.objects.update(password=make_password(password))
    agency_of_each = Account.objects.filter(status="active").order_by("agency", "username")
    names = list(agency_of_each.values_list("username", "agency__code"))
    chosen = names[:: max(1, len(names) // clerks)][:clerks]
    Account.objects.filter(username__in=[name for name, _ in chosen]).update(
        role=Role.AGENCY_ADMIN.value
    )
    staff = [name for name, agency in names if (name, agency) not in set(chosen)]
    print(
        json.dumps({"clerks": [name for name, _ in chosen], "staff": staff, "password": password})
    )


if __name__ == "__main__":
    clerks, rows = map(int, sys.argv[2:])
    main(Path(sys.argv[1]), clerks=clerks, rows=rows, people=6_000, agencies=60, filled=120_000)
