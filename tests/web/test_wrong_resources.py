"""What is wrong in a resource is refused alike on every way in, in every release, and nothing is stored (2.4)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from fhir_infusion.config import Settings
from fhir_infusion.service import Service
from fhir_infusion.store import audit, open_store
from fhir_infusion.store.tables import VERSIONS
from fhir_infusion.web.app import create_app
from tests.counts import chosen
from tests.fhir.kit import given, order
from tests.fhir.wrong import CANARY, RESOURCES
from tests.store.helpers import Clock
from tests.web.bad_ways import RELEASES, WAYS, Way, stored_ones
from tests.web.conftest import FHIR, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fhir_infusion.translator import Translator

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A service of its own with an order and an administration of a release in it."""

    service: Service
    client: Client
    release: str

    def versions(self) -> int:
        """How many versions there are, of anything."""
        counted = select(func.count()).select_from(VERSIONS)
        return int(self.service.store.read("default", lambda tx: tx.connection.execute(counted).scalar_one()))


def place(database: str, translator: Translator, release: str) -> Place:
    clock, numbers = Clock(), count()
    service = Service(open_store(database, clock), translator, clock, lambda: f"id-{next(numbers)}", Settings())
    client = Client(create_app(service).test_client(use_cookies=False))
    for one in stored_ones(release):
        reply = client.put(f"/fhir/{release}/{one['resourceType']}/{one['id']}", one, FHIR)
        assert reply.status_code == 201, reply.text
    return Place(service, client, release)


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory, translator: Translator) -> Iterator[list[Place]]:
    """A service for each release; R4B, which is R4 here but for its data types, at the long count only."""
    folder = tmp_path_factory.mktemp("places")
    tried = [release for release in RELEASES if release != "r4b" or chosen() == "long"]
    made = [place(f"sqlite:///{folder}/{release}.db", translator, release) for release in tried]
    yield made
    for one in made:
        assert one.service.store.read("default", audit.verify) == ()
        one.service.store.close()


NO_FHIR_JSON = {
    *("empty object", "empty array", "empty string", "null dose", "null without a twin", "NUL", "control character")
}
"""What no FHIR JSON may hold, and so no patch either."""
NAMES = [one.name for one in WAYS["r4", "MedicationRequest"]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("row", RESOURCES, ids=[row[0] for row in RESOURCES])
def test_a_wrong_resource_is_refused_alike_on_every_way_in(
    everywhere: list[Place], row: tuple[str, Json, int, str], name: str
):
    for here in everywhere:
        way = way_of(here.release, row[1], name)
        status, code = expected(way, row)
        before = here.versions()
        answer = way.read(way.send(here.client, way.with_resource(row[1])))
        assert answer.status in {status, 0}, answer.text
        assert code in answer.codes, answer.text
        assert CANARY not in answer.text
        assert here.versions() == before


def expected(way: Way, row: tuple[str, Json, int, str]) -> tuple[int, str]:
    """Return status and code. The patch itself is right: what it would make of the resource is not.

    https://www.rfc-editor.org/rfc/rfc5789#section-2.2 (Unprocessable request). It never changes an id or a type.
    """
    name, resource, status, code = row
    if not way.patches or name in NO_FHIR_JSON:
        return status, code
    is_moved = resource.get("id") not in {"o1", "a1"} or name.startswith("resourceType")
    return 422, "business-rule" if is_moved else code


def way_of(release: str, resource: Json, name: str) -> Way:
    type_ = resource.get("resourceType")
    found = WAYS.get((release, str(type_)), WAYS[release, "MedicationRequest"])
    return next(one for one in found if one.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_a_right_one_is_taken_on_every_way_in(tmp_path: Path, translator: Translator, name: str):
    """Else what is refused above might be refused for another reason."""
    for release in RELEASES:
        here = place(f"sqlite:///{tmp_path}/{release}.db", translator, release)
        for resource in (order(), given()):
            way = way_of(release, resource, name)
            answer = way.read(way.send(here.client, way.with_resource({**resource, "language": "en"})))
            assert answer.status in {200, 201}, answer.text
        here.service.store.close()
