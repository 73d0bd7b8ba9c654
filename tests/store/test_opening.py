"""Opening: one writer, files for their owner only, tables brought up to date, a check after an unclean end."""

import fcntl
import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from fhir_infusion.errors import SettingsError, Unavailable
from fhir_infusion.store import dialect, links, lock, migrate, open_reader, open_store, outbox, owner
from fhir_infusion.store.tables import METADATA
from tests.store.finding import found
from tests.store.helpers import MR, TENANT, effect, put, resource


@pytest.fixture
def url(tmp_path):
    """SQLite's alone: the file, its lock and its faults."""
    return f"sqlite:///{tmp_path}/data/store.db"


def path_of(url):
    return Path(url.removeprefix("sqlite:///"))


def test_the_tables_that_migrations_make_are_those_that_the_code_knows(url, clock):
    open_store(url, clock).close()
    engine = dialect.reading_engine(path_of(url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_migrations_run_again_change_nothing_f25(url, clock):
    store = open_store(url, clock)
    put(store, "a")
    secret = store.secret
    store.close()
    migrate.upgrade(dialect.writing_engine(path_of(url)))
    store = open_store(url, clock)
    assert store.secret == secret
    assert store.read(TENANT, lambda tx: tx.connection.exec_driver_sql("SELECT count(*) FROM versions").scalar()) == 1
    store.close()


def test_a_migration_that_was_killed_midway_is_made_whole_at_the_next_start_f25(url, clock):
    """Made by hand what a kill leaves: the tables of the revision are rolled back with its note."""
    dialect.prepare_file(path_of(url))
    engine = dialect.writing_engine(path_of(url))
    original = METADATA.tables["audit"]
    with engine.connect() as connection:
        transaction = connection.begin()
        original.create(connection)
        connection.invalidate()
        transaction.close()
    store = open_store(url, clock)
    put(store, "a")
    store.close()


def test_a_database_of_a_newer_version_is_refused_and_not_touched(url, clock):
    open_store(url, clock).close()
    with sqlite3.connect(path_of(url)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SettingsError, match="newer version"):
        open_store(url, clock)


def test_no_one_but_the_owner_can_read_the_files(store, url):
    put(store, "a")
    found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path_of(url).parent.iterdir()}
    assert found == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm", "store.db.lock"), 0o600)
    assert stat.S_IMODE(path_of(url).parent.stat().st_mode) == 0o700


def test_commits_wait_for_the_disk(store):
    def settings(tx):
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert store.transact(TENANT, settings) == ["wal", 2, 1]


def test_what_undoes_a_piece_of_work_is_in_no_file(store):
    def kept(tx):
        return tx.connection.exec_driver_sql("PRAGMA temp_store").scalar()

    assert store.transact(TENANT, kept) == 2


def test_a_second_writer_is_refused_and_told_who_writes(store, url, clock):
    token = store.announce("127.0.0.1:8080")
    with pytest.raises(Unavailable, match=rf"process {os.getpid()} writes .* takes work at 127\.0\.0\.1:8080"):
        open_store(url, clock)
    found = owner(url)
    assert found is not None
    assert (found.pid, found.address, found.token) == (os.getpid(), "127.0.0.1:8080", token)


def test_a_writer_waits_for_the_one_before_it_to_end(url, clock):
    first = open_store(url, clock)
    script = f"import time; time.sleep(0); open({str(path_of(url))!r}).close()"
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(Unavailable):
        open_store(url, clock, wait_seconds=0.3)
    first.close()
    second = open_store(url, clock, wait_seconds=5)
    assert second.healthy()
    second.close()
    assert owner(url) is None


def test_nobody_writes_where_there_is_no_database(url):
    assert owner(url) is None


def test_a_reader_reads_beside_the_writer_and_takes_no_changes(store, url, clock):
    store.transact(TENANT, effect("a"))
    reader = open_reader(url, clock)
    assert len(reader.read(TENANT, outbox.rows)) == 1
    store.transact(TENANT, effect("b"))
    assert len(reader.read(TENANT, outbox.rows)) == 2
    assert reader.secret == store.secret
    assert not reader.healthy()
    with pytest.raises(Unavailable, match="reading only"):
        reader.transact(TENANT, effect("c"))
    with pytest.raises(Unavailable, match="reading only"):
        reader.announce("127.0.0.1:1")
    reader.close()


def test_a_reader_finds_no_database_where_there_is_none(url, clock):
    with pytest.raises(Unavailable, match="no database"):
        open_reader(url, clock)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_another_kind_of_url_is_refused(url, clock):
    with pytest.raises(SettingsError, match="accepted is sqlite:///PATH"):
        open_store(url, clock)


def test_a_damaged_file_is_found_after_an_unclean_end(url, clock):
    store = open_store(url, clock)
    for number in range(50):
        put(store, f"r{number}", tenant="t" * 50)
    store.close()
    path = path_of(url)
    # The lock file of a process that was killed still names it.
    path.with_name(path.name + ".lock").write_text('{"pid": 1, "address": "", "token": ""}')
    content = bytearray(path.read_bytes())
    for begin in range(8192, len(content) - 4096, 4096):
        content[begin : begin + 8] = b"\x0d\x00\x00\xff\xff\xff\xff\xff"
    path.write_bytes(bytes(content))
    with pytest.raises(Unavailable):
        open_store(url, clock)


def test_the_lock_is_freed_by_the_kernel_and_not_inherited_by_programs_that_are_started(store, url):
    lock_file = path_of(url).with_name("store.db.lock")
    with lock_file.open("r") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], close_fds=False)
    try:
        store.close()
        # The new program's copy of the lock is closed while it starts, a moment after its parent goes on.
        lock.acquire(path_of(url), wait_seconds=5).release()
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_foreign_keys_hold(store):
    def orphan(tx):
        tx.connection.exec_driver_sql(
            "INSERT INTO identifiers (tenant, type, system, value, id, minted) VALUES ('t', 'x', 's', 'v', 'none', 0)"
        )

    with pytest.raises(Exception, match="FOREIGN KEY"):
        store.transact(TENANT, orphan)
    assert put(store, "a", type=MR).version == 1


def test_what_was_stored_before_there_were_more_ways_to_search_is_found_by_them(tmp_path, clock):
    """The tables as they were, with an order in them, brought up to date: what is found is what would be found now."""
    path = tmp_path / "old.db"
    dialect.prepare_file(path)
    engine = dialect.writing_engine(path)
    migrate.upgrade(engine, "0003")
    body = {
        "resourceType": MR,
        "id": "a",
        "status": "active",
        "authoredOn": "2024-05-01",
        "category": [{"text": "Home"}],
    }
    key = (TENANT, MR, "a")
    with engine.begin() as connection:
        for statement, values in (
            ("INSERT INTO resources VALUES (?, ?, ?, 1, 5, 5, 0, '')", key),
            ("INSERT INTO versions VALUES (?, ?, ?, 1, 'R4', 5, 0, ?, '', '')", (*key, json.dumps(body))),
            ("INSERT INTO feeds VALUES (?, 5, 0, '')", (TENANT,)),
        ):
            connection.exec_driver_sql(statement, values)
    engine.dispose()
    store = open_store(f"sqlite:///{path}", clock)
    for query in ("status=active", "authoredon=2024-05", "category:text=home"):
        assert found(store, f"{MR}?{query}") == ["a"], query
    store.close()


def test_what_was_gone_there_before_it_was_marked_is_counted_while_it_is_active_f25(tmp_path, clock):
    """Links as they were, brought up to date: of what is gone there, what has not ended here counts."""
    path = tmp_path / "old.db"
    store = open_store(f"sqlite:///{path}", clock)
    for name, status in (("a", "active"), ("b", "completed"), ("c", "active")):
        put(store, name, body=resource(status))
    store.close()
    engine = dialect.writing_engine(path)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX links_deleted_active")
        connection.exec_driver_sql("ALTER TABLE links DROP COLUMN deleted_active")
        connection.exec_driver_sql("ALTER TABLE endpoints DROP COLUMN place")
        connection.exec_driver_sql("DROP TABLE patients_made")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0018'")
        for name, ladder in (("a", "gone"), ("b", "lost"), ("c", "B")):
            statement = "INSERT INTO links VALUES (?, 'peer', ?, ?, ?, '', '', '', '', 1, 1, ?, '', 0)"
            connection.exec_driver_sql(statement, (TENANT, f"{MR}/{name}", MR, f"there-{name}", ladder))
    engine.dispose()
    store = open_store(f"sqlite:///{path}", clock)
    assert store.read(TENANT, lambda tx: links.deleted_active(tx, "peer")) == 1
    store.close()
