"""How PostgreSQL would go about what the platform asks, and where that is quadratic.

Two large sides are compared row by row when a nested loop reads the inner one again for each row of
the outer one without a key that the outer row gives.  The planner does that where it takes one side
for a single row: statistics that were never made, or before a run or an agency had any records.
"""

import json
import re
from contextlib import contextmanager

import pytest
from django.db import connection

from ismp.hours.records import bulk_read

_COARSE = {"agency_id", "category", "state", "status", "kind", "source", "year", "month"}
"""Columns of which one value has thousands of rows: no key."""
_ASKS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_CONDITION = re.compile(r'\(\(?"?(\w+)"?\)?(?:::\w+)? = ("?[a-zA-Z_]\w*"?\.)?')


@contextmanager
def plans(is_large):
    """What is quadratic in what is asked meanwhile: a list of (plan node in words, statement).

    `is_large` says of a table by its name whether it may have very many rows.

    Each statement is explained just before it is executed, so its temporary tables are there.
    """
    found, seen, reads = [], set(), bulk_read.csv_of

    def explain(statement, parameters):
        with connection.cursor() as cursor:
            asked = connection.ops.compose_sql(statement, parameters)
            cursor.cursor.execute(f"EXPLAIN (FORMAT JSON) {asked}")
            (answer,) = cursor.fetchone()
            plan = json.loads(answer) if isinstance(answer, str) else answer
            unique = _unique_keys(cursor)
        found.extend((words, asked) for words in quadratic(plan[0]["Plan"], is_large, unique))

    def look(execute, sql, params, many, context):
        if _ASKS.match(str(sql)) and not many and (sql, len(params or ())) not in seen:
            seen.add((sql, len(params or ())))
            explain(sql, params)
        return execute(sql, params, many, context)

    def read(statement, parameters, using):
        explain(statement, parameters)
        return reads(statement, parameters, using)

    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(look):
        patch.setattr(bulk_read, "csv_of", read)
        yield found


def _unique_keys(cursor):
    """The columns of each unique index, by its name."""
    if not getattr(connection, "ismp_unique_keys", None):
        cursor.cursor.execute(
            "SELECT c.relname, array_agg(a.attname::text) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_attribute a ON a.attrelid = i.indexrelid"
            " WHERE i.indisunique AND i.indpred IS NULL GROUP BY c.relname"
        )
        connection.ismp_unique_keys = {name: set(key) for name, key in cursor.fetchall()}
    return connection.ismp_unique_keys


def quadratic(node, is_large, unique=None):
    """The nodes of a plan that compare two large sides row by row, in words."""
    unique = unique or {}
    parts = node.get("Plans", [])
    found = [words for part in parts for words in quadratic(part, is_large, unique)]
    if node["Node Type"] == "Nested Loop":
        outer, inner = parts[0], parts[1]
        again = list(_read_again(inner, is_large, unique))
        if again and _is_large(outer, is_large, unique):
            found.append(f"{node['Join Type']} nested loop reads again {again}")
    mine = [
        part for part in parts if part.get("Parent Relationship") not in ("InitPlan", "SubPlan")
    ]
    many = _scans(node, is_large, unique) or any(_is_large(part, is_large, unique) for part in mine)
    for part in parts:
        hashed = f"hashed {part.get('Subplan Name')}" in json.dumps(node)
        if part.get("Parent Relationship") == "SubPlan" and not hashed and many:
            again = list(_read_again(part, is_large, unique))
            found += [f"{part['Subplan Name']} reads again {again}"] if again else []
    return found


def _scans(node, is_large, unique):
    """Whether a node itself may read many rows of a large table."""
    table = node.get("Relation Name")
    return bool(table) and is_large(table) and not _is_one_row(node, unique)


def _is_large(node, is_large, unique):
    if node["Node Type"] == "Limit" or (
        node["Node Type"] == "Aggregate" and not node.get("Group Key")
    ):
        return False
    if _scans(node, is_large, unique):
        return True
    parts = [one for one in node.get("Plans", []) if one["Parent Relationship"] != "InitPlan"]
    return any(
        _is_large(part, is_large, unique)
        for part in parts
        if part["Parent Relationship"] != "SubPlan"
    )


def _is_one_row(node, unique):
    compared = {column for column, _ in _CONDITION.findall(node.get("Index Cond", ""))}
    key = unique.get(node.get("Index Name"))
    return bool(key) and key <= compared


def _read_again(node, is_large, unique):
    """The large tables below a node that are read without a key from outside of it."""
    if node.get("Parent Relationship") == "InitPlan" or "hashed" in node.get("Subplan Name", ""):
        return
    if _scans(node, is_large, unique) and not _has_key(node):
        yield f"{node['Relation Name']} ({node['Node Type']}, {node.get('Index Cond', 'no key')})"
    for part in node.get("Plans", []):
        if node["Node Type"] != "Bitmap Heap Scan":
            yield from _read_again(part, is_large, unique)


def _has_key(node):
    condition = node.get("Index Cond", "")
    if node["Node Type"] == "Bitmap Heap Scan":
        condition = node.get("Recheck Cond", "")
    given = {column for column, outer in _CONDITION.findall(condition) if outer}
    return bool(given - _COARSE)
