"""How PostgreSQL would go about what the platform asks, and where that is quadratic.

Two large sides are compared row by row when a nested loop, or a subquery, reads many rows of a large
table again for each of many other rows.  The planner does that where it takes one side for a single
row: statistics that were never made, or before a run or an agency had any records.
"""

import functools
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from ismp.hours.records import bulk_read

_COARSE = {
    *("agency_id", "category", "state", "status", "kind", "source", "year", "month"),
    *("run_id", "replaced_by_id", "deletion_id", "upload_id"),
}
"""Columns of which one value may have thousands of rows: no key."""
_FEW_OF_AN_AGENCY = {
    *(
        "accounts_agencyname",
        "accounts_agencygrade",
        "accounts_securityofficer",
        "accounts_closing",
    ),
    "security_signoff",
}
"""Tables of which one agency has few rows."""
_ASKS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_OF_TEMPORARY = re.compile(r"\s*(CREATE TEMPORARY|ALTER|DROP) TABLE\b")
_EQUAL = re.compile(
    r'\(?\b(?:\w+\.)?"?(\w+)"?\)?(?:::\w+)? = (?!\((?:hashed )?SubPlan)(?:(\w+)\.id\b)?'
)
_NUMBERS = re.compile(r"%s(?:, %s)+")


class LargeTwin:
    """A copy of a test's database, to ask only how things would be gone about if it had just been
    restored with very many rows a table.

    The files are as long as they would be then, of empty pages; no statistics were made.
    """

    def __init__(self, place, rows):
        self._session = psycopg.connect(place.environment["DATABASE_URL"], autocommit=True)
        folder = Path(self._session.execute("SHOW data_directory").fetchone()[0])
        self._session.execute("SET jit = off")
        for oid, path, width in self._session.execute(_RELATIONS).fetchall():
            pages = rows * width // 8_000 + 1
            os.truncate(folder / path, pages * 8_192)
            reported = (pages, rows, oid)
            self._session.execute(
                "UPDATE pg_class SET relpages = %s, reltuples = %s WHERE oid = %s", reported
            )
        self._session.execute("DELETE FROM pg_statistic")

    def execute(self, statement):
        return self._session.execute(statement)

    def quadratic(self, rows):
        """Return the quadratic plan nodes of a query set."""
        statement, parameters = rows.query.sql_with_params()
        asked = connection.ops.compose_sql(statement, parameters)
        return [*_explained(self, asked, lambda table: True)]

    def close(self):
        self._session.close()


_RELATIONS = """
SELECT c.oid, pg_relation_filepath(c.oid), 28 + (
    SELECT sum(CASE WHEN attlen > 0 THEN attlen ELSE 20 END)
    FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
)::bigint
FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')
"""
"""Tables and indexes: where their files are, and how long a row is about."""


@contextmanager
def plans(is_large=lambda table: True, twin=None):
    """Collect quadratic plans of the queries meanwhile: a list of (plan node in words, statement).

    `is_large` says of a table by its name whether it may have very many rows.

    Each statement is explained just before it is executed, so its temporary tables are there; or in
    a `LargeTwin`, that gets the like.
    """
    found, seen, reads = [], set(), bulk_read.csv_of

    def explain(statement, parameters):
        with connection.cursor() as cursor:
            asked = connection.ops.compose_sql(statement, parameters)
            server = twin or cursor.cursor
            found.extend((words, asked) for words in _explained(server, asked, is_large))

    def look(execute, sql, params, many, context):
        words = _NUMBERS.sub("%s, %s", str(sql))
        if _ASKS.match(words) and not many and words not in seen:
            seen.add(words)
            explain(sql, params)
        if twin and _OF_TEMPORARY.match(words):
            twin.execute(sql)
        return execute(sql, params, many, context)

    def read(statement, parameters, using):
        explain(statement, parameters)
        return reads(statement, parameters, using)

    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(look):
        patch.setattr(bulk_read, "csv_of", read)
        yield found


def _explained(server, statement, is_large):
    """The nodes of a statement's plan that compare two large sides row by row, in words."""
    (plan,) = server.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {statement}").fetchone()
    return _Tables(is_large, _unique_keys()).quadratic(plan[0]["Plan"])


@functools.cache
def _unique_keys():
    """The columns of each unique index, by its name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, array_agg(a.attname::text) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_attribute a ON a.attrelid = i.indexrelid"
            " WHERE i.indisunique AND i.indpred IS NULL GROUP BY c.relname"
        )
        return {name: set(key) for name, key in cursor.fetchall()}


class _Tables:
    """Sizes of tables, to judge a plan by."""

    def __init__(self, is_large, unique):
        self._is_large, self._unique = is_large, unique

    def quadratic(self, node):
        parts = node.get("Plans", [])
        for part in parts:
            yield from self.quadratic(part)
        if node["Node Type"] == "Nested Loop" and self.gives_many(parts[0]):
            again = list(self.read_again(parts[1], _once(parts[0])))
            yield from [f"{node['Join Type']} nested loop reads again {again}"] if again else []
        many = self.scans_many(node) or any(map(self.gives_many, _sources(node)))
        for part in parts if many else ():
            if _is_repeated(part, node) and (again := list(self.read_again(part, set()))):
                yield f"{part['Subplan Name']} reads again {again}"

    def gives_many(self, node):
        """Whether what comes out of a node may be many rows."""
        if node["Node Type"] == "Limit" or (
            node["Node Type"] == "Aggregate" and not node.get("Group Key")
        ):
            return False
        if node.get("Relation Name"):
            return self.scans_many(node)
        return any(map(self.gives_many, _sources(node)))

    def scans_many(self, node):
        """Whether a node reads a large table, and many rows of it come out."""
        conditions = f"{_index_condition(node)} {node.get('Filter', '')}"
        return self._is_of_large(node) and not self._is_key(node, conditions, set())

    def read_again(self, node, once):
        """The large tables of which many rows are read at a node and below it."""
        condition = _index_condition(node)
        if self._is_of_large(node) and not self._is_key(node, condition, once):
            yield f"{node['Relation Name']} ({node['Node Type']}, {condition or 'no index'})"
        for part in node.get("Plans", []):
            is_source = part in _sources(node) and not _is_looked_into(part, node)
            if is_source or _is_repeated(part, node):
                yield from self.read_again(part, once)

    def _is_of_large(self, node):
        return "Relation Name" in node and self._is_large(node["Relation Name"])

    def _is_key(self, node, condition, once):
        """Whether a condition holds for few rows of a node's table, or for each but once."""
        given = {column for column, other in _EQUAL.findall(condition) if other not in once}
        each = any(other in once for _, other in _EQUAL.findall(condition))
        key = self._unique.get(node.get("Index Name"))
        coarse = _COARSE - {"agency_id"} if node["Relation Name"] in _FEW_OF_AN_AGENCY else _COARSE
        return each or bool(given - coarse) or bool(key and key <= given)


def _sources(node):
    """The parts whose rows a node works on."""
    parts = node.get("Plans", [])
    return [one for one in parts if one["Parent Relationship"] not in ("InitPlan", "SubPlan")]


def _is_repeated(part, node):
    """Whether a part of a node is a subquery that is asked for each of its rows."""
    is_hashed = f"hashed {part.get('Subplan Name')}" in json.dumps(
        {name: value for name, value in node.items() if name != "Plans"}
    )
    return part["Parent Relationship"] == "SubPlan" and not is_hashed


def _is_looked_into(part, node):
    """Whether a join asks a part only whether a key is in its index."""
    asks = node["Node Type"] == "Nested Loop" and node["Join Type"] in ("Semi", "Anti")
    is_inner = part["Parent Relationship"] == "Inner" and "Join Filter" not in node
    return asks and is_inner and "Filter" not in part and "Index Cond" in part


def _once(node):
    """The table that a node gives each row of but once, by the name that the plan has for it."""
    while len(node.get("Plans", [])) == 1:
        (node,) = node["Plans"]
    return {node["Alias"]} if "Alias" in node and not node.get("Plans") else set()


def _index_condition(node):
    bitmap = node["Node Type"] == "Bitmap Heap Scan"
    return node.get("Recheck Cond" if bitmap else "Index Cond", "")
