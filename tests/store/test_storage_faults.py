"""The disk fails: nothing is acknowledged, reads go on, and the store comes back by itself."""

import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event

from fhir_infusion.errors import Unavailable
from fhir_infusion.store import audit, dialect, open_store, outbox, versions, writer
from tests.store.helpers import MR, SYSTEM, TENANT, Clock, effect, put
from tests.store.test_crash import ROOT, check_whole


@pytest.fixture
def url(tmp_path):
    """SQLite's alone: the file, its lock and its faults."""
    return f"sqlite:///{tmp_path}/data/store.db"


def fail(name):
    """Return what the driver raises for an error of SQLite."""
    error = sqlite3.OperationalError(name)
    error.sqlite_errorname = name
    return error


@pytest.fixture
def failing_commits(store):
    """Let commits fail with the error that is put in; the connection is a real one otherwise."""
    errors: list[str] = []

    def commit(_connection):
        if errors:
            raise fail(errors.pop(0))

    event.listen(store._writer._engine, "commit", commit)
    return errors


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SQLITE_FULL", "no space left"),
        ("SQLITE_IOERR_FSYNC", "storage failed"),
        ("SQLITE_CORRUPT", "storage failed"),
        ("SQLITE_BUSY", "another process"),
    ],
)
def test_f3_f4_a_commit_that_fails_is_never_acknowledged_and_the_store_goes_on_anew(
    store, failing_commits, name, reason
):
    put(store, "before")
    first = store._writer._engine
    failing_commits.append(name)
    with pytest.raises(Unavailable, match=reason) as failure:
        store.transact(TENANT, effect("lost"))
    assert failure.value.retry_after > 0
    assert store.read(TENANT, lambda tx: versions.current(tx, MR, "before")).version == 1
    # It is ready again by itself, before anybody asks for a change.
    until = time.monotonic() + 10
    while not store.healthy():
        assert time.monotonic() < until
        time.sleep(0.01)
    stored, new = store.transact(TENANT, effect("lost"))
    assert (stored.id, new) == ("id-lost", True)
    assert store.healthy()
    assert store._writer._engine is first
    assert [row.aggregate for row in store.read(TENANT, outbox.rows)] == [f"{MR}/id-lost"]
    assert store.read(TENANT, audit.verify) == ()


def test_f3_a_storage_that_is_read_and_not_written_is_not_called_healthy(store, failing_commits, monkeypatch):
    monkeypatch.setattr(writer, "_PAUSE_SECONDS", 0.05)
    failing_commits += ["SQLITE_IOERR_WRITE"] * 4
    with pytest.raises(Unavailable, match="storage failed"):
        store.transact(TENANT, effect("lost"))
    until = time.monotonic() + 10
    while not store.healthy():
        assert time.monotonic() < until
        time.sleep(0.001)
    assert failing_commits == []
    assert store.transact(TENANT, effect("lost"))[1]


def test_f3_every_caller_of_the_group_is_told_when_its_commit_fails(store, failing_commits):
    inside, go_on, told = threading.Event(), threading.Event(), []

    def hold(_tx):
        inside.set()
        go_on.wait(10)

    def run(work):
        try:
            store.transact(TENANT, work)
        except Unavailable:
            told.append(work)

    holder = threading.Thread(target=run, args=(hold,))
    holder.start()
    inside.wait(10)
    threads = [threading.Thread(target=run, args=(effect(f"g{number}"),)) for number in range(8)]
    for thread in threads:
        thread.start()
    while store._writer._jobs.qsize() < len(threads):
        pass
    failing_commits.append("SQLITE_IOERR_FSYNC")
    go_on.set()
    for thread in (holder, *threads):
        thread.join()
    assert hold in told
    assert store.read(TENANT, lambda tx: tx.connection.exec_driver_sql("SELECT count(*) FROM versions").scalar()) in {
        0,
        8,
    }
    assert len(told) in {1, 9}


def test_f3_a_failing_statement_of_one_piece_ends_the_whole_group(store):
    def broken(_tx):
        raise fail("SQLITE_IOERR_WRITE")

    with pytest.raises(Unavailable):
        store.transact(TENANT, broken)
    until = time.monotonic() + 10
    while not store.healthy():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert put(store, "after").version == 1


def test_f3_a_store_whose_file_does_not_pass_its_check_stays_closed_for_changes(store, monkeypatch):
    found = ["page 7 is damaged"]
    monkeypatch.setattr(dialect, "complaints", lambda *_arguments, **_options: list(found))
    monkeypatch.setattr(writer, "_PAUSE_SECONDS", 0.01)
    put(store, "before")

    def broken(_tx):
        raise fail("SQLITE_IOERR_FSYNC")

    with pytest.raises(Unavailable):
        store.transact(TENANT, broken)
    time.sleep(0.1)
    assert not store.healthy()
    with pytest.raises(Unavailable, match="being checked"):
        store.transact(TENANT, effect("refused"))
    assert store.read(TENANT, lambda tx: dialect.complaints(tx.connection, whole=True)) == found
    found.clear()
    until = time.monotonic() + 10
    while not store.healthy():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert put(store, "before").version == 2


def test_too_much_that_waits_is_refused_at_once_and_what_waits_is_done(store, monkeypatch):
    monkeypatch.setattr(writer, "WAITING", 4)
    inside, go_on, outcomes = threading.Event(), threading.Event(), []

    def hold(_tx):
        inside.set()
        go_on.wait(10)

    def run(work):
        try:
            outcomes.append(store.transact(TENANT, work)[1])
        except Unavailable:
            outcomes.append("busy")
        except TypeError:
            outcomes.append("held")

    threads = [threading.Thread(target=run, args=(hold,))]
    threads[0].start()
    inside.wait(10)
    threads += [threading.Thread(target=run, args=(effect(f"w{number}"),)) for number in range(12)]
    for thread in threads[1:]:
        thread.start()
    until = time.monotonic() + 10
    while not outcomes and time.monotonic() < until:
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join()
    assert outcomes.count("busy") == 12 - outcomes.count(True)
    assert outcomes.count("busy") >= 1
    assert len(store.read(TENANT, outbox.rows)) == outcomes.count(True)


def test_f4_a_full_disk_refuses_changes_keeps_what_was_acknowledged_and_recovers(tmp_path):
    """The limit of a file's size stands for the end of the disk; it is lifted by a second start."""
    path = tmp_path / "store.db"
    open_store(f"sqlite:///{path}", Clock()).close()  # to make the tables takes more than the limit
    limit = 600_000

    def limited():
        import signal  # noqa: PLC0415  in the child only

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "tests.store.posting", str(path), "0", "4", "150"]
    first = subprocess.run(command, cwd=ROOT, preexec_fn=limited, input="", capture_output=True, text=True, check=False)
    lines = [line.split() for line in first.stdout.splitlines()]
    acknowledged = {line[1]: int(line[2]) for line in lines if line[0] == "ack"}
    refused = sorted(line[1] for line in lines if line[0] == "refused")
    assert refused
    assert acknowledged
    check_whole(path, acknowledged)
    second = subprocess.run(
        [*command[:-1], "0"], cwd=ROOT, input="\n".join(refused), capture_output=True, text=True, check=True
    )
    later = {line.split()[1]: 1 for line in second.stdout.splitlines() if line.startswith("ack")}
    assert set(later) == set(refused)
    check_whole(path, acknowledged | later)


def test_f4_where_a_little_fits_and_no_order_does_the_store_does_not_call_itself_healthy(store, monkeypatch):
    monkeypatch.setattr(writer, "_PAUSE_SECONDS", 0.05)
    room = [50]

    @event.listens_for(store._writer._engine, "connect")
    def limit(connection, _record):
        if room:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages + room[0]}").close()

    with pytest.raises(Unavailable, match="no space left"):
        store.transact(TENANT, lambda tx: [effect(f"large-{number}")(tx) for number in range(500)])
    until = time.monotonic() + 1
    while time.monotonic() < until:
        assert not store.healthy()
        time.sleep(0.02)
    # What fits is taken all the same: it may be a stop.
    assert put(store, "small").version == 1
    assert not store.healthy()
    room.clear()
    until = time.monotonic() + 10
    while not store.healthy():
        assert time.monotonic() < until
        time.sleep(0.02)
    kept = "SELECT count(*), (SELECT count(*) FROM versions) FROM secrets"
    assert store.read(TENANT, lambda tx: tx.connection.exec_driver_sql(kept).fetchone()) == (1, 1)
    assert store.transact(TENANT, lambda tx: [effect(f"large-{number}")(tx) for number in range(500)])[499][1]


STRACE = shutil.which("strace")


def traced(path, trace, *options, posts=20):
    """Post under strace; return the lines of the program and of the trace."""
    log = path.with_suffix(".strace")
    command = [STRACE, "-f", "-q", "-o", str(log), "-e", f"trace={trace}", "-s", "64", *options]
    command += [sys.executable, "-m", "tests.store.posting", str(path), "0", "1", str(posts)]
    done = subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, check=False)
    return [line.split() for line in done.stdout.splitlines()], log.read_text().splitlines()


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: system calls can be neither failed nor watched")
def test_f3_an_fsync_that_fails_is_never_acknowledged(tmp_path):
    path = tmp_path / "store.db"
    open_store(f"sqlite:///{path}", Clock()).close()
    # strace counts for each thread: the fault meets the writer at its eighth sync and lasts for three; the thread that
    # opens a database that is there makes fewer.
    lines, calls = traced(path, "fdatasync", "-e", "inject=fdatasync:error=EIO:when=8..10", posts=400)
    assert len([call for call in calls if "EIO" in call]) == 3
    said = [line[0] for line in lines if line[0] in {"ack", "refused"}]
    first = said.index("refused")
    assert said[:first] == ["ack"] * first
    assert first >= 5
    acknowledged = {line[1]: int(line[2]) for line in lines if line[0] == "ack"}
    check_whole(path, acknowledged)


@pytest.mark.skipif(STRACE is None, reason="strace is not installed: system calls can be neither failed nor watched")
def test_f5_between_the_last_write_to_the_log_and_each_acknowledgement_lies_a_sync(tmp_path):
    path = tmp_path / "store.db"
    _, calls = traced(path, "pwrite64,fdatasync,write")
    dirty, acknowledged = False, 0
    for call in calls:
        if re.search(r"pwrite64\(\d+.*\) = ", call):
            dirty = True
        elif re.search(r"fdatasync\(\d+\)\s+= 0", call):
            dirty = False
        elif re.search(r'write\(1, "ack ', call):
            acknowledged += 1
            assert not dirty
    assert acknowledged == 20


def test_there_is_no_log_left_behind_after_a_clean_end(tmp_path):
    command = [sys.executable, "-m", "tests.store.posting", str(tmp_path / "store.db"), "0", "2", "5"]
    subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, check=True)
    left = {file.name: file.stat().st_size for file in Path(tmp_path).iterdir()}
    assert left["store.db"] > 0
    assert left["store.db.lock"] == 0
    assert left.get("store.db-wal", 0) == 0
    assert SYSTEM.encode() in (tmp_path / "store.db").read_bytes()
