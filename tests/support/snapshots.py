"""A database as it was at one moment, brought back as often as a test likes.

Several connections may have written since then, and none of them is closed for it: a savepoint
would hold for one connection alone.  SQLite is small enough to be copied back whole.  On PostgreSQL
triggers note each row that is written, and `restore` takes the writings back in reverse order;
sequences go on.
"""

import sqlite3
from contextlib import closing

from django.apps import apps
from django.db import connection


def take(place):
    """The snapshot of a `Place` that one has entered."""
    return _Written() if connection.vendor == "postgresql" else _Copy(place.database)


class _Copy:
    def __init__(self, database):
        self._database, self._copy = database, sqlite3.connect(":memory:")

    def keep(self):
        with closing(sqlite3.connect(self._database)) as file:
            file.backup(self._copy)

    def restore(self):
        with closing(sqlite3.connect(self._database)) as file:
            self._copy.backup(file)

    def close(self):
        self._copy.close()


_NOTE = """
CREATE UNLOGGED TABLE written (
    number bigserial PRIMARY KEY, name text, before jsonb, after jsonb
);
CREATE FUNCTION note_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO written (name, before, after)
    VALUES (TG_ARGV[0], to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE FUNCTION take_back() RETURNS void LANGUAGE plpgsql
SET session_replication_role = 'replica'  -- no trigger and no foreign key looks on
AS $$ DECLARE one written; BEGIN
    FOR one IN SELECT * FROM written ORDER BY number DESC LOOP
        IF one.after IS NOT NULL THEN
            EXECUTE format('DELETE FROM %I t WHERE to_jsonb(t) = $1', one.name) USING one.after;
        END IF;
        IF one.before IS NOT NULL THEN
            EXECUTE format(
                'INSERT INTO %1$I SELECT * FROM jsonb_populate_record(NULL::%1$I, $1)', one.name
            ) USING one.before;
        END IF;
    END LOOP;
    DELETE FROM written;
END $$;
"""


class _Written:
    def __init__(self):
        models = apps.get_models(include_auto_created=True)
        tables = {one._meta.db_table for one in models if one._meta.managed}
        with connection.cursor() as cursor:
            cursor.execute(_NOTE)
            for name in tables:
                cursor.execute(
                    f"CREATE TRIGGER note_written AFTER INSERT OR UPDATE OR DELETE ON {name}"
                    f" FOR EACH ROW EXECUTE FUNCTION note_written('{name}')"
                )

    def keep(self):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM written")

    def restore(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT take_back()")

    def close(self):
        """Goes with its database."""
