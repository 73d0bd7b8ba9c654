"""A service as run beside a real server, with a network between them that breaks: what the scenario tests share.

Our side is asked over HTTP and looked at in its database from outside; the other side is asked over HTTP. The two are
compared by what identifies each resource, so that nothing of the package's links is believed.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.sync import compare
from tests import exact_json
from tests.counts import count
from tests.faults.cutter import Cutter
from tests.real.serving import Serving, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.real.server import Program

Json = dict[str, Any]
ORDER = "MedicationRequest"
GIVEN = "MedicationAdministration"
PATIENCE = count(120, 3600)
"""So many seconds both sides may take to say the same once nothing breaks any more."""
OPEN = "select count(*) from outbox where state in ('pending', 'leased', 'sent', 'unknown')"

SETTINGS = """
order_system = "{own}/orders"
administration_system = "{own}/administrations"
"""
REMOTE = """
[remotes.{name}]
base_url = "http://127.0.0.1:{port}/fhir"
release = "{release}"
poll_seconds = 3
overlap_seconds = 30
deadline_seconds = 15
"""


class Side:
    """A server that is kept in step, behind its own breaking network."""

    def __init__(self, name: str, server: Program, release: str, seed: int, *, exact: bool) -> None:
        """Prepare. ``exact``: the server keeps how a number is written."""
        self.name = name
        self.server = server
        self.release = release
        self.exact = exact
        self.cutter = Cutter(urlsplit(server.base).port or 0, seed)

    @property
    def bases(self) -> tuple[str, ...]:
        """The addresses under which the server may write its own references."""
        return (f"http://127.0.0.1:{self.cutter.port}/fhir/", f"{self.server.base}/")

    def edit(self, type_: str, system: str, value: str, change: Callable[[Json], Json | None]) -> bool:
        """Change the one resource that has an identifier, as somebody there would; False where it is not there yet.

        ``change`` returns None where there is nothing to change.
        """
        for _ in range(20):
            found = self.server.all(f"{type_}?identifier={system}%7C{value.replace('#', '%23')}")
            if not found:
                return False
            assert len(found) == 1, f"{len(found)} of one {type_} at {self.name}"
            changed = change(found[0])
            if changed is None:
                return True
            etag = f'W/"{found[0]["meta"]["versionId"]}"'
            reply = self.server.call("PUT", f"{type_}/{found[0]['id']}", changed, {"If-Match": etag})
            if reply.status == 200:
                return True
            assert reply.status in {409, 412}, reply.text
        raise AssertionError("twenty times somebody was faster")


class World:
    """One service with its remotes. Identifiers are of this run; ``own`` is their namespace."""

    def __init__(self, directory: Path, *sides: Side) -> None:
        """Prepare; start nothing."""
        self.own = f"https://run-{uuid4()}.example"
        self.sides = sides
        text = SETTINGS.format(own=self.own)
        for side in sides:
            text += REMOTE.format(name=side.name, port=side.cutter.port, release=side.release)
        self.serving = Serving(directory, text)
        self.database = directory / "service.db"

    @property
    def orders(self) -> str:
        return f"{self.own}/orders"

    @property
    def administrations(self) -> str:
        return f"{self.own}/administrations"

    # ------------------------------------------------------------------------------------------------ our side

    def rows(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """Ask our database from outside."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)) as connection:
            return list(connection.execute(statement, values))

    def open_rows(self) -> int:
        (found,) = self.rows(OPEN)
        return int(found[0])

    def states(self, side: Side) -> Counter[str]:
        """Return how many rows of the outbox for a side are in which state."""
        return Counter(one for (one,) in self.rows("select state from outbox where endpoint = ?", side.name))

    def alerts(self, side: Side) -> list[tuple[str, str]]:
        """Return the resource and the code of each alarm about a side."""
        return [
            (f"{type_}/{id_}", detail)
            for type_, id_, detail in self.rows(
                "select type, id, detail from audit where action = 'sync-alert' and client = ?", f"sync:{side.name}"
            )
        ]

    def ours(self, release: str, type_: str) -> list[Json]:
        """Return every resource of this run that we hold, as a release says it, over all pages."""
        base = f"/fhir/{release.lower()}/"
        found: list[Json] = []
        path = f"{base}{type_}?_count=200"
        while path:
            reply = self.serving.ask("GET", path, headers={"Accept": "application/fhir+json"})
            assert reply.status == 200, reply.text
            bundle = fhir_json.read_again(reply.text)
            found += [entry["resource"] for entry in bundle.get("entry", [])]
            link = next((one["url"] for one in bundle.get("link", []) if one["relation"] == "next"), "")
            path = link and base + link.partition(base)[2]
        return [one for one in found if self._is_of_this_run(one)]

    # ------------------------------------------------------------------------------------------------ both sides

    def theirs(self, side: Side, type_: str) -> list[Json]:
        """Return every resource of this run there."""
        found = [fhir_json.read_again(exact_json.dumps(one)) for one in side.server.everything(type_)]
        return [one for one in found if self._is_of_this_run(one)]

    def _is_of_this_run(self, resource: Json) -> bool:
        """Tell it from what other tests left at a server: that is pulled and kept in step as well."""
        return any(str(one.get("system")).startswith(f"{self.own}/") for one in resource.get("identifier", []))

    def settled(self, seconds: float = max(300, PATIENCE)) -> None:
        """Wait until nothing of ours is on its way any more."""
        eventually(lambda: not self.open_rows(), seconds)

    def in_step(self, side: Side, seconds: float = PATIENCE) -> Both:
        """Wait until both sides say the same, and return what they say.

        Raises:
            AssertionError: they did not in time; the message holds the last differences.
        """
        last: list[str] = []

        def equal() -> Both | None:
            self.settled(seconds)
            both = Both(self, side)
            last[:] = both.differences()
            return None if last else both

        try:
            found: Both = eventually(equal, seconds)
        except AssertionError as error:
            raise AssertionError(f"{len(last)} differences at {side.name}: {last[:5]}; {self.states(side)}") from error
        return found

    def close(self) -> None:
        self.serving.stop()
        for side in self.sides:
            side.cutter.close()


class Both:
    """Everything that both sides hold at a moment, by the identifier of each resource."""

    def __init__(self, world: World, side: Side) -> None:
        """Read both sides."""
        self.side = side
        self.patients = world.theirs(side, "Patient")
        there = {type_: world.theirs(side, type_) for type_ in (ORDER, GIVEN)}
        here = {type_: world.ours(side.release, type_) for type_ in (ORDER, GIVEN)}
        self.counted = Counter(named(one) for found in there.values() for one in found)
        ids_there = ids([*self.patients, *there[ORDER], *there[GIVEN]])
        ids_here = ids([*here[ORDER], *here[GIVEN]])
        self.here = {named(one): told(one, ids_here, ()) for found in here.values() for one in found}
        self.there = {named(one): told(one, ids_there, side.bases) for found in there.values() for one in found}
        self.ids_here = {named(one): f"{one['resourceType']}/{one['id']}" for found in here.values() for one in found}
        self.versions = {named(one): one["meta"]["versionId"] for found in there.values() for one in found}

    def differences(self) -> list[str]:
        """Return what is not the same on both sides, where numbers count by value if the server rounds them."""
        found = [f"only here {name}" for name in self.here.keys() - self.there.keys()]
        found += [f"only there {name}" for name in self.there.keys() - self.here.keys()]
        found += [f"{number} times there {name}" for name, number in self.counted.items() if number > 1]
        for name in self.here.keys() & self.there.keys():
            here, there = self.here[name], self.there[name]
            same = compare.same if self.side.exact else compare.alike
            if not same(here, there):
                elements = [one for one in {*here, *there} if not same(here.get(one), there.get(one))]
                found.append(f"{name}: {', '.join(sorted(elements))}")
        return found

    def rounded(self) -> set[str]:
        """Return which of ours are there with the same numbers, written otherwise."""
        return {self.ids_here[name] for name in self.here if not compare.same(self.here[name], self.there[name])}


def named(resource: Json) -> str:
    """Return the first identifier of a resource, which is the one that it was placed under."""
    first = resource["identifier"][0]
    return f"{first['system'].rpartition('/')[2]}|{first['value']}"


def ids(resources: list[Json]) -> dict[str, str]:
    """Return the identifier of each resource by how a reference on its own side names it."""
    return {f"{one['resourceType']}/{one['id']}": named(one) for one in resources}


def told(resource: Json, known: dict[str, str], bases: tuple[str, ...]) -> Json:
    """Return what a resource says, each reference by the identifier of what it means."""
    return {name: _told(value, known, bases) for name, value in compare.content(resource).items()}


def _told(value: Any, known: dict[str, str], bases: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_told(one, known, bases) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _told(one, known, bases) for name, one in value.items()}
    text = inner.get("reference")
    if isinstance(text, str) and not text.startswith("#"):
        for base in bases:
            text = text.removeprefix(base)
        inner["reference"] = known.get(text, text)
    elif isinstance(inner.get("identifier"), dict) and "reference" not in inner:
        one = inner["identifier"]
        meant = f"{str(one.get('system')).rpartition('/')[2]}|{one.get('value')}"
        inner["reference"] = meant
    if "reference" in inner and not str(inner["reference"]).startswith("#"):
        inner = {name: one for name, one in inner.items() if name not in {"identifier", "type"}}
    return inner


def numbers(resource: Json, *path: str) -> Iterator[str]:
    """Yield how each number under the elements of a path is written."""
    values: list[Any] = [resource]
    for name in path:
        inside = [one.get(name) for one in values if isinstance(one, dict)]
        values = [one for found in inside for one in (found if isinstance(found, list) else [found])]
    for one in values:
        if one is not None:
            yield fhir_json.write({"n": one}).decode().removeprefix('{"n":').rstrip("}")
