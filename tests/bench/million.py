"""Many administrations in a store without writing them one by one: the database makes a million in a minute or two.

The rows are those that ``versions.put`` writes of :func:`body` (``test_million.py`` compares). Time goes on from one to
the next, so that what was given late was recorded late, as it is in a hospital; ids have no order.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, Final

import psycopg

from fhir_infusion.store import dialect, postgresql
from fhir_infusion.store.tx import from_ms

if TYPE_CHECKING:
    from collections.abc import Callable

MA: Final = "MedicationAdministration"
TENANT: Final = "default"
BEGUN: Final = 1_609_459_200_000
"""The first moment: 2021-01-01."""
APART: Final = 157_000
"""Between two administrations, in milliseconds: a million of them fill five years."""

Json = dict[str, Any]


def body(number: int) -> Json:
    """An administration: every tenth is of one patient, every hundredth is still running."""
    start, end = (_at(moment(number) - minutes * 60_000) for minutes in (90, 10))
    return {
        "resourceType": MA,
        "id": f"{number * 2_654_435_761 % 2**32:08x}",
        "status": "in-progress" if number % 100 == 0 else "not-done" if number % 15 == 0 else "completed",
        "medicationCodeableConcept": {"coding": [{"system": "http://rx", "code": f"c{number % 40}"}]},
        "subject": {"reference": "Patient/often" if number % 10 == 0 else f"Patient/{number % 20_011}"},
        "request": {"reference": f"MedicationRequest/{number // 8}"},
        "effectivePeriod": {"start": start, "end": end},
    }


def moment(number: int) -> int:
    """When it was stored."""
    return BEGUN + number * APART


def _at(milliseconds: int) -> str:
    return from_ms(milliseconds).strftime("%Y-%m-%dT%H:%M:%SZ")


_IN_SQLITE: Final = {
    "id": "printf('%08x', n * 2654435761 % 4294967296)",
    "numbers": "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {rows})",
    "time": "strftime('%Y-%m-%dT%H:%M:%S', ({}) / 1000, 'unixepoch')",
    "false": "0",
}
_IN_POSTGRESQL: Final = {
    "id": "lpad(to_hex(n * 2654435761 % 4294967296), 8, '0')",
    "numbers": "WITH numbers(n) AS (SELECT n::bigint FROM generate_series(0, {rows} - 1) AS n)",
    "time": "to_char(to_timestamp(({}) / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
    "false": "FALSE",
}


def statements(rows: int, words: dict[str, str]) -> list[str]:
    """Return what fills the tables; ``words`` are those of a database."""

    def as_text(pattern: Any, values: dict[str, str]) -> str:
        whole = json.dumps(pattern, separators=(",", ":"))
        for name, value in values.items():
            whole = whole.replace(name, f"' || {value} || '")
        return f"'{whole}'"

    status = "CASE WHEN n % 100 = 0 THEN 'in-progress' WHEN n % 15 = 0 THEN 'not-done' ELSE 'completed' END"
    patient = "CASE WHEN n % 10 = 0 THEN 'Patient/often' ELSE 'Patient/' || (n % 20011) END"
    starts, ends = ("at - 5400000", "at - 600000")
    own = {
        "$id": "id",
        "$at": words["time"].format("at"),
        "$status": status,
        "$code": "'c' || (n % 40)",
        "$patient": patient,
        "$request": "'MedicationRequest/' || (n / 8)",
        "$start": words["time"].format(starts),
        "$end": words["time"].format(ends),
    }
    shown: Json = {
        "resourceType": MA,
        "id": "$id",
        "meta": {"versionId": "1", "lastUpdated": "$at.000Z"},
        "status": "$status",
        "medicationCodeableConcept": {"coding": [{"system": "http://rx", "code": "$code"}]},
        "subject": {"reference": "$patient"},
        "request": {"reference": "$request"},
        "effectivePeriod": {"start": "$startZ", "end": "$endZ"},
    }
    own = {name: f"({term})" for name, term in own.items()}
    key = f"'{TENANT}', '{MA}', id"

    def rows_of(parameter: str, system: str, value: str) -> str:
        names = "tenant, type, id, parameter, system, value, created"
        return f"index_rows ({names}) SELECT {key}, '{parameter}', '{system}', {value}, at"

    def dates_of(parameter: str) -> str:
        names = 'tenant, type, id, parameter, start, "end", created'
        return f"index_dates ({names}) SELECT {key}, '{parameter}', {starts}, {ends} + 1000, at"

    numbers = words["numbers"].format(rows=rows)
    of_versions = "tenant, type, id, version, release, last_updated, deleted, text, record, digest"
    filled = [
        (
            "resources (tenant, type, id, version, created, last_updated, deleted, parent) "
            f"SELECT {key}, 1, at, at, {words['false']}, ''"
        ),
        f"versions ({of_versions}) SELECT {key}, 1, 'R4', at, {words['false']}, {as_text(shown, own)}, '', ''",
        rows_of("status", "", status),
        rows_of("code", "http://rx", own["$code"]),
        rows_of("patient", "", patient),
        rows_of("subject", "", patient),
        rows_of("request", "", own["$request"]),
        dates_of("date"),
        dates_of("effective-time"),
    ]
    return [
        "CREATE TEMPORARY TABLE made (n BIGINT, id TEXT, at BIGINT)",
        f"INSERT INTO made {numbers} SELECT n, {words['id']}, {BEGUN} + n * {APART} FROM numbers ORDER BY 2",  # noqa: S608  all of it is ours
        *(f"INSERT INTO {one} FROM made" for one in filled),
        f"INSERT INTO feeds (tenant, last_updated, audit_seq, audit_digest) SELECT '{TENANT}', max(at), 0, '' FROM made",  # noqa: S608  as above
        "DROP TABLE made",
    ]


def fill(url: str, rows: int, told: Callable[[str], object] = lambda _: None) -> None:
    """Lay so many administrations down in a database whose tables are there and empty, and that nobody has open."""
    if postgresql.is_url(url):
        with psycopg.connect(url, autocommit=True) as server:
            # Else each row looks for the one that it refers to in a table that the planner believes to be empty.
            server.execute("SET session_replication_role = replica")
            server.execute("SET synchronous_commit = off")
            for one in statements(rows, _IN_POSTGRESQL):
                told(one.partition("(")[0])
                server.execute(one.encode())
            server.execute("ANALYZE")  # as is to be done after each load of much at once
        return
    file = sqlite3.connect(dialect.path_of(url), isolation_level=None)
    # No journal: what fails midway is thrown away.
    for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
        file.execute(f"PRAGMA {setting}").close()
    for one in statements(rows, _IN_SQLITE):
        told(one.partition("(")[0])
        file.execute(one).close()
    file.execute("PRAGMA journal_mode=WAL").close()
    file.close()
