"""Whatever somebody wrote, wherever it stands: a page shows it as text, and nothing of it becomes a tag, an attribute or a link."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from fhir_infusion.config import Settings
from fhir_infusion.store import inbox
from fhir_infusion.web.examples import therapies
from fhir_infusion.web.workbench import trying
from tests.exact_json import dumps, loads
from tests.faults.rig import TENANT
from tests.web.desk import MR, WHY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.test import TestResponse

    from fhir_infusion.store import Tx
    from fhir_infusion.translator import Translator
    from tests.web.conftest import Client
    from tests.web.desk import Desk

Json = dict[str, Any]
FORM = "application/x-www-form-urlencoded"
PLANTED = "x-planted"
NASTY = (
    f"javascript:/*--></title></textarea></style></script>'\"><{PLANTED} onload=1 href='javascript:1'>{{{{7*7}}}}&lt;"
)
SPELLED = dumps(NASTY)[1:-1]
"""As it stands in JSON."""
ORDERS = "r4/infusion-order.yaml"


@dataclass
class Read(HTMLParser):
    """A page as a browser reads it: its tags with their attributes, and its text."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def harmless(reply: TestResponse, where: str) -> str:
    """Return the text of a page after it was looked through."""
    assert reply.mimetype == "text/html", where
    assert reply.status_code < 500, where
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    page = Read()
    page.feed(reply.text)
    page.close()
    names = [name for name, _ in page.tags]
    assert PLANTED not in names, where
    assert (names.count("script"), names.count("style"), names.count("title")) == (1, 1, 1 + names.count("svg")), where
    assert not {"img", "iframe", "object", "embed", "link", "base"} & set(names), where
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in {"style", "src", "srcdoc"}], where
        for name in ("href", "action", "formaction", "xlink:href"):
            assert re.match(r"[/#?]|$", attributes.get(name, "")), f"{where}: {attributes[name]}"
    return "".join(page.texts)


def planted(whole: Json) -> Iterator[tuple[str, Json]]:
    """Yield a record or resource once for each place of a text in it, whatever the index, with the hostile one there."""
    seen: set[str] = set()

    def walk(one: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, Json]]:
        for name, each in list(one.items() if isinstance(one, dict) else enumerate(one)):
            here = (*path, name)
            place = ".".join("[]" if isinstance(step, int) else step for step in here)
            if isinstance(each, dict | list):
                yield from walk(each, here)
            elif isinstance(each, str) and place not in seen:
                seen.add(place)
                changed: Any = loads(dumps(whole))
                inner = changed
                for step in path:
                    inner = inner[step]
                inner[name] = NASTY
                yield place, changed
                inner[name], inner[NASTY] = each, NASTY
                yield f"beside {place}", changed

    yield from walk(whole, ())


def pasted(bench: Client, text: str, **more: str) -> TestResponse:
    return bench.post("/workbench", urlencode({"input": text, **more}), FORM)


EXAMPLES = ("33-dobutamine-titration/order", "33-dobutamine-titration/administration-1-day")


@pytest.mark.parametrize("name", EXAMPLES)
def test_hostile_text_in_any_member_of_a_record_is_text_in_the_workbench(bench: Client, name: str):
    """Asked for is the part of the page that holds no input: what is seen of it stands in a side, a reason or the ledger."""
    shown = 0
    for place, changed in planted(therapies()[name].record):
        text = harmless(pasted(bench, dumps(changed), live="yes"), place)
        shown += NASTY in text or SPELLED in text
    assert shown > 40
    assert SPELLED in harmless(pasted(bench, dumps(changed)), "the whole page")


def test_hostile_text_in_any_element_of_a_resource_is_text_in_the_workbench(bench: Client, translator: Translator):
    (resource,) = translator.to_fhir(therapies()[EXAMPLES[0]].record, "R4").results
    for place, changed in planted(resource):
        assert SPELLED in harmless(pasted(bench, dumps(changed), live="yes"), place), place


def test_courses_that_are_called_by_hostile_names_are_drawn(bench: Client, translator: Translator):
    order, given = (therapies()[name].record for name in EXAMPLES)
    records = [order, *({**given, "administration_id": f"{NASTY} {number}"} for number in range(2))]
    resources = [one for record in records for one in translator.to_fhir(record, "R4").results]
    entries = [{"resource": one} for one in resources]
    page = pasted(bench, dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), live="yes")
    assert f"Planned and given, 1 of 2: {NASTY} 0" in harmless(page, "course")
    assert "<svg" in page.text


def test_a_hostile_member_is_named_with_its_place_where_it_is_refused(bench: Client):
    order = therapies()[EXAMPLES[0]].record
    page = pasted(bench, dumps({**order, NASTY: 1}), live="yes")
    assert "Refused: 1 reason" in harmless(page, "path")


HOSTILE_DOCUMENTS = {
    "a key": lambda text: text.replace("  status: {fhir", f"  {dumps(NASTY)}: {{fhir"),
    "a path": lambda text: text.replace("  status: {fhir: status", f"  status: {{fhir: {dumps(NASTY)}"),
    "a code table": lambda text: text.replace(
        "  status: {fhir: status", f"  status: {{codes: {dumps(NASTY)}, fhir: status"
    ),
    "a constant": lambda text: text.replace(
        "extension[url=$care-setting].valueCode", "extension[url=https://s.example/<x-planted>].valueCode"
    ),
    "no YAML": lambda text: f"{text}\n{NASTY}: [\n{NASTY}",
}


@pytest.mark.parametrize("what", HOSTILE_DOCUMENTS)
def test_a_hostile_mapping_document_is_shown_as_text_with_what_is_wrong_with_it(bench: Client, what: str):
    text = trying.documents(Settings())[ORDERS]
    changed = HOSTILE_DOCUMENTS[what](text)
    assert changed != text
    page = pasted(bench, therapies()[EXAMPLES[0]].text, document=ORDERS, mapping=changed, live="yes")
    shown = harmless(page, what)
    assert "What r4/infusion-order.yaml would change" in shown
    assert "It loads" in shown if what == "a constant" else "It does not load" in shown


def test_a_hostile_name_of_a_document_is_text_where_it_is_chosen_and_opened(
    bench: Client, monkeypatch: pytest.MonkeyPatch
):
    name = f"overlays/{NASTY}.yaml"
    monkeypatch.setattr(trying, "documents", lambda _: {name: "overlay: x\n"})
    assert name in harmless(bench.get("/workbench"), "chosen")
    assert name in harmless(bench.get(f"/workbench?{urlencode({'document': name})}"), "opened")
    changed = pasted(bench, "", document=name, mapping=NASTY)
    assert name in harmless(changed, "changed")


@pytest.mark.parametrize(
    "name", ["example", "release", "overlay", "format", "state", "document", "find", "lines", NASTY]
)
def test_a_hostile_link_of_a_state_is_shown_as_text(bench: Client, name: str):
    harmless(bench.get(f"/workbench?{urlencode({name: NASTY})}"), name)


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/{page}/{{}}"
            for page in ("workbench", "console", "console/remotes", "console/rows", "console/conflicts", "docs")
        ),
        *(f"/console/remotes/{{}}/{page}" for page in ("aside", "quarantine")),
        *(f"/console/remotes/peer/aside?{name}={{}}" for name in ("state", "code", "told", "after")),
        *(f"/console/audit?{name}={{}}" for name in ("action", "resource", "_cursor")),
        *(
            "/console/trace?order={}",
            "/console/conflicts?endpoint={}",
            "/console/remotes/peer/quarantine/content?version={}",
        ),
    ],
)
def test_a_hostile_address_of_the_console_or_the_documentation_is_shown_as_text(desk: Desk, path: str):
    harmless(desk.get(path.format(quote(NASTY, safe=""))), path)


def test_hostile_names_of_what_came_from_a_remote_are_text(desk: Desk):
    def work(tx: Tx) -> None:
        inbox.receive(tx, "peer", [inbox.Received(MR, NASTY, NASTY, "2025-05-01T08:00:00Z", dumps(NASTY))])
        inbox.mark(tx, "peer", MR, NASTY, NASTY, "quarantined", NASTY)

    desk.rig.service.store.transact(TENANT, work)
    path = "/console/remotes/peer/quarantine"
    assert f"{MR}/{NASTY}/_history/{NASTY}" in harmless(desk.get(path), "listed")
    assert NASTY in harmless(desk.post(path, version=NASTY, reason=NASTY), "tried again")
    harmless(desk.post("/console/remotes/peer/replay", row=NASTY, reason=NASTY), "replayed")
    harmless(desk.post(f"/console/conflicts/{desk.held()}", keep=NASTY, reason=WHY, seen=NASTY), "decided")
