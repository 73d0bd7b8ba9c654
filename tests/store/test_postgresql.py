"""What holds on PostgreSQL beyond what holds on both: several processes, lost connections, its own limits.

Two stores in one process are as far apart as two processes: they share nothing but the database.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event

from fhir_infusion.config import Settings
from fhir_infusion.errors import Refused, SettingsError, Unavailable
from fhir_infusion.fhir.query import Query
from fhir_infusion.store import audit, dialect, open_reader, open_store, outbox, owner, postgresql, search, versions
from fhir_infusion.store.tables import METADATA
from tests.counts import count
from tests.postgresql import GUARDED, PASSWORD
from tests.store.helpers import MR, SYSTEM, TENANT, Clock, effect, put, tamper
from tests.store.test_crash import ROOT, Posting, check_whole
from tests.store.test_search import BY_CHANGE, NEWEST_FIRST
from tests.store.test_several import put_with_row, together


def now():
    return datetime.now(UTC)


@pytest.fixture
def url(postgresql_server):
    return postgresql_server.emptied()


@pytest.fixture
def stores(url):
    """Two stores on one database."""
    with ExitStack() as closing:
        opened = []
        for _ in range(2):
            opened.append(open_store(url, now))
            closing.callback(opened[-1].close)
        yield opened


@pytest.fixture
def admin(url):
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


# ------------------------------------------------------------------------------------------------- opening


def test_the_tables_that_migrations_make_are_those_that_the_code_knows(postgresql_server):
    url = postgresql_server.database()
    open_store(url, now).close()
    engine = postgresql.reading_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        otherwise = connection.exec_driver_sql(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
        ).all()
    engine.dispose()
    assert otherwise == [], "a text column of a migration is not compared byte by byte"


def test_migrations_that_are_run_by_several_processes_at_once_are_run_once_f25(postgresql_server):
    url = postgresql_server.database()
    command = [sys.executable, "-m", "fhir_infusion", "db", "upgrade", "--database", url]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    assert said == [("the database is up to date\n", "")] * 4
    store = open_store(url, now)
    assert put(store, "a").version == 1
    store.close()


def test_a_database_of_a_newer_version_is_refused(postgresql_server):
    url = postgresql_server.database()
    open_store(url, now).close()
    tamper(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingsError, match="newer version"):
        open_store(url, now)


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql_server):
    url = postgresql_server.database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(SettingsError, match="encoding UTF8"):
        open_store(url, now)


def test_without_the_driver_sqlite_works_and_postgresql_is_refused_in_words(tmp_path):
    program = """
import sys
sys.modules["psycopg"] = None
from datetime import UTC, datetime
from fhir_infusion.errors import SettingsError
from fhir_infusion.store import open_reader, open_store
open_store(f"sqlite:///{sys.argv[1]}/x.db", lambda: datetime.now(UTC)).close()
for opening in (open_store, open_reader):
    try:
        opening("postgresql://somewhere/x", lambda: datetime.now(UTC))
    except SettingsError as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = "database: PostgreSQL needs its driver; install fhir-infusion[postgresql]\n"
    assert (ran.stdout, ran.stderr) == (said * 2, "")


def test_nobody_owns_a_database_that_all_may_write(stores, url):
    assert owner(url) is None
    assert [store.announce("127.0.0.1:8080") for store in stores] == ["", ""]
    assert stores[0].secret == stores[1].secret


def test_a_reader_reads_beside_the_writers_and_finds_no_tables_where_there_are_none(stores, url, postgresql_server):
    stores[0].transact(TENANT, effect("a"))
    reader = open_reader(url, now)
    assert len(reader.read(TENANT, outbox.rows)) == 1
    with pytest.raises(Unavailable, match="reading only"):
        reader.transact(TENANT, effect("c"))
    reader.close()
    with pytest.raises(Unavailable, match="no database"):
        open_reader(postgresql_server.database(), now)


def test_a_server_that_is_not_there_is_told_without_its_address(tmp_path):
    url = f"postgresql://somebody@/elsewhere?host={tmp_path}"
    for opening in (open_store, open_reader):
        with pytest.raises(Unavailable, match="cannot be reached") as told:
            opening(url, now)
        assert "somebody" not in str(told.value)


def test_a_password_comes_from_its_file_and_stands_nowhere_else(postgresql_server, url, tmp_path):
    name = url.partition("@/")[2].partition("?")[0]
    guarded = postgresql_server.url(name, user=GUARDED)
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    store = open_store(guarded, now, password_file=file)
    assert put(store, "a").version == 1
    file.write_text("another one\n")
    assert PASSWORD not in repr(store._reading) + repr(store._reading.url) + repr(store._locking)
    store.close()
    with pytest.raises(Unavailable) as told:
        open_store(guarded, now, password_file=file)
    assert "another one" not in str(told.value)
    with pytest.raises(SettingsError, match="secret file"):
        open_store(guarded, now, password_file=tmp_path / "none")
    settings = replace(Settings(), database=guarded, database_password_file=file)
    assert "another one" not in repr(settings)


@pytest.mark.parametrize("place", ["postgresql://me:hunter2@/x", "postgresql:///x?password=hunter2"])
def test_a_password_in_the_address_is_refused_and_not_repeated(place):
    with pytest.raises(SettingsError, match="a password does not stand in the URL") as told:
        open_store(place, now)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("host", "address", "encrypted", "given", "is_taken"),
    [
        ("/run/postgresql", "", False, {}, True),
        ("localhost", "127.0.0.1", False, {}, True),
        ("db.example", "192.0.2.7", True, {}, True),
        ("db.example", "192.0.2.7", False, {}, False),
        ("db.example", "192.0.2.7", False, {"sslmode": "prefer"}, False),
        ("db.example", "192.0.2.7", False, {"sslmode": "disable"}, True),
    ],
)
def test_a_connection_that_others_can_listen_to_is_refused_unless_the_network_is_trusted(
    host, address, encrypted, given, is_taken
):
    connection = SimpleNamespace(
        info=SimpleNamespace(host=host, hostaddr=address), pgconn=SimpleNamespace(ssl_in_use=encrypted)
    )
    if is_taken:
        postgresql._refuse_plain(connection, given)
    else:
        with pytest.raises(SettingsError, match="TLS"):
            postgresql._refuse_plain(connection, given)


def test_the_database_tells_what_it_knows_of_itself(stores, postgresql_server):
    assert stores[0].read("", lambda tx: dialect.complaints(tx.connection, whole=True)) == []
    with psycopg.connect(postgresql_server.url("postgres"), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET full_page_writes = off")
        admin.execute("SELECT pg_reload_conf()")
        try:
            until = time.monotonic() + 10
            while not (found := stores[0].read("", lambda tx: dialect.complaints(tx.connection, whole=True))):
                assert time.monotonic() < until
                time.sleep(0.05)
            assert found == ["the server runs with full_page_writes = off: what is acknowledged may be lost"]
        finally:
            admin.execute("ALTER SYSTEM RESET full_page_writes")
            admin.execute("SELECT pg_reload_conf()")


# ------------------------------------------------------------------------------- several processes, one database


def test_two_processes_that_are_killed_lose_and_double_nothing_and_keep_one_chain_f1_p2(url):
    acknowledged: dict[str, int] = {}
    again: list[str] = []
    for round_ in range(count(3, 30)):
        both = [Posting(url, f"{round_}{half}", again[half::2], threads=8) for half in range(2)]
        time.sleep(0.5)
        both[round_ % 2].process.kill()
        time.sleep(0.2)
        both[1 - round_ % 2].process.kill()
        for posting in both:
            posting.end()
            acknowledged |= posting.acknowledged
        again = sorted(set().union(*(posting.tried for posting in both)) - acknowledged.keys())
    assert len(acknowledged) > 20
    check_whole(url, acknowledged)


def test_rows_that_somebody_holds_are_passed_over(stores, url):
    put_with_row(stores[0], "a")
    put_with_row(stores[0], "b")
    with psycopg.connect(url) as other:
        other.execute("SELECT seq FROM outbox WHERE aggregate = %s FOR UPDATE", (f"{MR}/a",))
        claim = stores[0].transact(TENANT, lambda tx: outbox.claim(tx, "pharmacy", "w", 10, 60))
        assert [row.aggregate for row in claim] == [f"{MR}/b"]
    claim = stores[1].transact(TENANT, lambda tx: outbox.claim(tx, "pharmacy", "w", 10, 60))
    assert [row.aggregate for row in claim] == [f"{MR}/a"]


# ------------------------------------------------------------------------------------- what can happen to a transaction


def end_sessions(admin):
    return admin.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'fhir-infusion'"
        " AND datname = current_database()"
    ).fetchone()[0]


def test_f24_sessions_that_were_ended_are_made_anew_and_nobody_is_told(stores, admin):
    put(stores[0], "a")
    assert stores[0].read(TENANT, outbox.rows) == ()
    assert end_sessions(admin) >= 2
    assert put(stores[0], "a").version == 2
    assert end_sessions(admin) >= 1
    assert stores[0].read(TENANT, lambda tx: versions.current(tx, MR, "a")).version == 2
    assert stores[0].healthy()


def test_f24_work_whose_session_ends_midway_is_done_again_and_once(stores, admin):
    passes = []

    def work(tx):
        made = effect("once")(tx)
        passes.append(made)
        if len(passes) == 1:
            end_sessions(admin)
        return made

    assert stores[0].transact(TENANT, work)[1]
    assert len(passes) == 2
    assert len(stores[0].read(TENANT, outbox.rows)) == 1
    assert stores[0].read(TENANT, audit.verify) == ()


@pytest.mark.parametrize("error", [psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure])
def test_f24_what_met_another_transaction_is_done_again(stores, error):
    passes = []

    def work(tx):
        passes.append(1)
        stored = effect("again")(tx)
        if len(passes) < 3:
            raise error
        return stored

    assert stores[0].transact(TENANT, work)[1]
    assert len(passes) == 3
    assert len(stores[0].read(TENANT, audit.entries)) == 1


def test_f24_a_real_deadlock_is_resolved_and_nobody_is_told(stores, url):
    put(stores[0], "a")
    with psycopg.connect(url) as other:
        other.execute("SELECT 1 FROM secrets FOR UPDATE")
        reached, passes = threading.Event(), []

        def work(tx):
            passes.append(1)
            reached.set()
            tx.connection.exec_driver_sql("SELECT 1 FROM secrets FOR UPDATE")
            return len(passes)

        waiting = threading.Thread(target=lambda: passes.append(stores[0].transact(TENANT, work)))
        waiting.start()
        assert reached.wait(10)
        try:
            other.execute("SELECT 1 FROM feeds FOR UPDATE")  # either side may be the one that is undone
        except psycopg.errors.DeadlockDetected:
            other.rollback()
        else:
            other.commit()
        waiting.join()
    assert passes[-1] in {1, 2}


def test_f24_a_lock_that_somebody_holds_for_a_while_is_waited_for(stores, url):
    put(stores[0], "a")
    other = psycopg.connect(url)
    other.execute("SELECT 1 FROM feeds FOR UPDATE")
    releasing = threading.Timer(1.0, other.commit)
    releasing.start()
    assert put(stores[0], "a").version == 2
    releasing.join()
    other.close()


def test_f24_a_commit_whose_answer_is_lost_is_not_acknowledged_and_not_repeated(stores):
    losing = ["once"]

    def lose(connection):
        if losing:
            losing.pop()
            connection.connection.driver_connection.commit()
            raise psycopg.OperationalError("the connection is lost")

    event.listen(stores[0]._writer._engine, "commit", lose)
    with pytest.raises(Unavailable) as told:
        stores[0].transact(TENANT, effect("doubt"))
    assert told.value.retry_after > 0
    assert stores[0].transact(TENANT, effect("doubt"))[1] is False  # it had happened, and is found by its key
    assert len(stores[1].read(TENANT, outbox.rows)) == 1


def test_f24_a_server_that_stays_away_is_told_at_once_after_a_while_and_found_again(
    postgresql_server, url, monkeypatch
):
    from fhir_infusion.store import trouble, writer  # noqa: PLC0415  shortened here alone

    monkeypatch.setattr(trouble.Outage, "SECONDS", 0.5)
    monkeypatch.setattr(writer, "_PAUSE_SECONDS", 0.1)
    store = open_store(url, Clock())
    put(store, "a")
    assert store.healthy()
    postgresql_server.halt()
    try:
        assert not store.healthy()  # though nobody has asked for a change since
        for _ in range(2):
            with pytest.raises(Unavailable):
                store.transact(TENANT, effect("b"))
            with pytest.raises(Unavailable):
                store.read(TENANT, outbox.rows)
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            store.transact(TENANT, effect("b"))
        assert time.monotonic() - begun < 0.4
        assert not store.healthy()
    finally:
        postgresql_server.go_on()
    until = time.monotonic() + 20
    while not store.healthy():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert store.transact(TENANT, effect("b"))[1] is True
    assert [one.version for one in store.read(TENANT, lambda tx: versions.history(tx, MR, "a"))] == [1]
    store.close()


def test_an_identifier_that_no_index_takes_is_refused_and_the_rest_of_the_group_is_stored(stores):
    import random  # noqa: PLC0415  what does not compress

    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
    done = together(
        lambda: stores[0].transact(TENANT, effect(long, id="long")),
        *[lambda n=n: stores[0].transact(TENANT, effect(f"g{n}"))[1] for n in range(6)],
    )
    refused, *others = done
    assert isinstance(refused, Refused)
    assert (refused.status, refused.issues[0].code) == (422, "too-long")
    assert others == [True] * 6
    assert stores[0].read(TENANT, lambda tx: versions.by_identifier(tx, MR, SYSTEM, "g0")) is not None
    assert stores[0].read(TENANT, lambda tx: versions.current(tx, MR, "long")) is None


def test_what_no_text_of_the_database_can_be_is_not_there(stores):
    for ask in (stores[0].read, stores[0].transact):
        with pytest.raises(Refused) as told:
            ask(TENANT, lambda tx: versions.current(tx, MR, "a\0b"))
        assert told.value.status == 404
    assert put(stores[0], "a").version == 1


def test_listings_are_read_from_an_index_without_sorting(stores, admin):
    for number in range(300):
        put(stores[0], f"p{number}")
    # Enough rows of others that an index is worth while.
    admin.execute(
        "INSERT INTO resources SELECT 't' || n, 'MedicationRequest', 'x' || m, 1, m, m, false, ''"
        " FROM generate_series(1, 20) n, generate_series(1, 500) m"
    )
    admin.execute("ANALYZE")
    seen = []
    event.listen(stores[0]._reading, "before_cursor_execute", lambda *arguments: seen.append(arguments[2:4]))
    for sort in ((), BY_CHANGE, NEWEST_FIRST):
        stores[0].read(TENANT, lambda tx, sort=sort: search.page(tx, MR, Query((), sort=sort), 20))
    plans = []
    for statement, values in tuple(seen):
        if statement.startswith("SELECT versions"):
            rows = stores[0].read(
                TENANT,
                lambda tx, s=statement, v=values: list(tx.connection.exec_driver_sql(f"EXPLAIN {s}", v).scalars()),
            )
            plans.append(" / ".join(rows))
    assert len(plans) == 3
    assert not [plan for plan in plans if "Seq Scan" in plan or "Sort" in plan]
