"""Killed while writing: what was acknowledged is there, once, with all that belongs to it."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhir_infusion.store import audit, dialect, open_store, outbox
from fhir_infusion.store.failpoint import EXIT_STATUS
from tests.counts import count
from tests.store.helpers import TENANT

ROOT = Path(__file__).parents[2]


class Posting:
    """A posting process, and what it said until it ended."""

    def __init__(self, path, round_, again=(), threads=16, limit=None, environment=None):
        command = [sys.executable, "-m", "tests.store.posting", str(path), str(round_), str(threads)]
        self.process = subprocess.Popen(
            command if limit is None else [*command, str(limit)],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.said = self.process.stdout
        self.process.stdin.write("\n".join(again))
        self.process.stdin.close()
        assert self.said.readline() == "open\n"
        self.tried: set[str] = set()
        self.refused: set[str] = set()
        self.acknowledged: dict[str, int] = {}

    def end(self):
        """Read what was said to the end."""
        for line in self.said:
            word, key, *rest = line.split()
            if word == "try":
                self.tried.add(key)
            elif word == "ack":
                self.acknowledged[key] = int(rest[0])
            else:
                self.refused.add(key)
        self.said.close()
        return self.process.wait()


def check_whole(where, acknowledged):
    """Find every acknowledged post once, with its version, index rows, outbox row, audit row and key."""
    url = where if "://" in str(where) else f"sqlite:///{where}"
    store = open_store(url, lambda: datetime.now(UTC))
    try:

        def column(statement):
            return store.read(TENANT, lambda tx: list(tx.connection.exec_driver_sql(statement).scalars()))

        stored = column("SELECT value FROM index_rows WHERE parameter = 'identifier'")
        assert len(stored) == len(set(stored))
        assert set(acknowledged) <= set(stored)
        whole = sorted(f"id-{value}" for value in stored)
        for statement in (
            "SELECT id FROM resources",
            "SELECT id FROM versions",
            "SELECT id FROM audit",
            "SELECT id FROM idempotency",
            "SELECT id FROM identifiers",
        ):
            assert sorted(column(statement)) == whole
        rows = store.read(TENANT, lambda tx: outbox.rows(tx, limit=1_000_000))
        assert sorted(row.aggregate.partition("/")[2] for row in rows) == whole
        assert store.read(TENANT, audit.verify) == ()
        assert store.read(TENANT, lambda tx: dialect.complaints(tx.connection, whole=True)) == []
    finally:
        store.close()


def test_f1_nothing_acknowledged_is_lost_or_doubled_by_kill_9(database):
    rng = random.Random(1)
    acknowledged: dict[str, int] = {}
    again: list[str] = []
    for round_ in range(count(20, 100)):
        posting = Posting(database, round_, again)
        time.sleep(rng.uniform(0.02, 0.4))
        os.kill(posting.process.pid, signal.SIGKILL)
        posting.end()
        acknowledged |= posting.acknowledged
        assert set(posting.acknowledged.values()) <= {1}
        again = sorted(posting.tried - posting.acknowledged.keys())
    check_whole(database, acknowledged)
    assert len(acknowledged) > 20


@pytest.mark.parametrize("place", ["store.before-commit", "store.after-commit"])
@pytest.mark.parametrize("passes", [1, 5])
def test_f1_a_process_that_dies_around_its_commit_acknowledges_nothing_that_is_not_stored(database, place, passes):
    environment = {"FHIR_INFUSION_TEST_FAILPOINT": f"{place}:{passes}"}
    posting = Posting(database, 0, threads=4, environment=environment)
    assert posting.end() == EXIT_STATUS
    doubtful = posting.tried - posting.acknowledged.keys()
    assert doubtful
    check_whole(database, posting.acknowledged)
    second = Posting(database, 1, sorted(doubtful), threads=4, limit=0)
    assert second.end() == 0
    assert set(second.acknowledged) == doubtful
    check_whole(database, posting.acknowledged | second.acknowledged)
