"""The workbench: both sides of a translation, the pairs between them, and what became of each element.

``GET /workbench`` shows an example, ``POST /workbench`` what was pasted into its form; nothing is stored. The page
works without its script, which only sends the form while somebody types and marks what belongs together.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from flask import request

from fhir_infusion.actions import bundles
from fhir_infusion.actions.prove import samples_of
from fhir_infusion.errors import Refused
from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.fhir.exact import read_plain
from fhir_infusion.records.arithmetic import findings_of_order
from fhir_infusion.web import examples, pages
from fhir_infusion.web.context import caller, web
from fhir_infusion.web.refusals import parameter_refusal
from fhir_infusion.web.security import refuse_unless_operator
from fhir_infusion.web.workbench import asked as asking
from fhir_infusion.web.workbench import trying
from fhir_infusion.web.workbench.items import Item, Items, items_of
from fhir_infusion.web.workbench.looking import Told, View, look
from fhir_infusion.web.workbench.outcome import Beside, outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flask import Response

    from fhir_infusion.web.examples import Example
    from fhir_infusion.web.workbench.asked import Asked

Json = dict[str, Any]

_SAMPLES: Final = "format/"
"""What the name of an example begins with that is the sample of a site's format."""

_FIRST: Final = "1-order-infliximab"
"""The example that stands there when nothing was asked for."""


def show() -> Response:
    """Return the page for an example. ``GET /workbench``."""
    asked = asking.from_address(request, web().service.translator.overlays)
    return _page(asked, _text_of(asked))


def post() -> Response:
    """Return the page for what was pasted. ``POST /workbench``."""
    asked = asking.from_form(request, web().service.translator.overlays)
    return _page(asked, asked.input)


def _page(asked: Asked, text: str) -> Response:
    translator = web().service.translator
    if asked.turn:
        text, asked = _turned(asked, text)
    try:
        is_example = bool(asked.example) and text == _text_of(asked)
    except Refused:
        is_example = False
    if asked.document or asked.mapping:
        refuse_unless_operator(caller())
    items, view, chosen = Items(()), View(), Item(None)
    given: Any = None
    texts = trying.documents(web().service.settings)
    try:
        if text.strip():
            given = _read(text, asked)
            items = items_of(translator, given, asked)
            chosen = items.items[min(asked.record, len(items.items) - 1)] if items.items else chosen
            view = look(translator, chosen, asked, texts)
    except Refused as refused:
        view.issues = [Told(issue, None) for issue in refused.issues]
    # What is refused may have any shape, and nothing can be reckoned of it.
    beside = Beside() if chosen.issues else _beside(chosen.record, items, is_example=is_example)
    administration = beside.shown or next((one for one in beside.administrations if one.get("segments")), None)
    if beside.order is not None and administration is not None:
        view.findings += [Told(issue, None) for issue in findings_of_order(beside.order, administration)]
    made = outcome(asked, items, chosen, view, beside)
    tried = None
    if asked.document:
        whole = replace(asked, mapping="") if asked.open else asked
        tried = trying.trial(translator, web().service.settings, whole, given if items.items else None, chosen)
    return pages.page(
        "workbench/page.html",
        asked=asked,
        text="" if asked.live else text,
        is_example=is_example,
        made=made,
        trial=tried,
        documents=tuple(texts) if caller().operator else (),
        examples_count=len(examples.therapies()),
        overlays=sorted(translator.overlays),
        releases=asking.RELEASES,
        formats=tuple(translator.library.formats),
        samples=_SAMPLES,
        states=asking.STATES,
        therapies=() if asked.live else tuple(_listed(asked.find)),
        more=() if asked.live else tuple(examples.texts()),
    )


def _turned(asked: Asked, text: str) -> tuple[str, Asked]:
    """Return the result as what is asked next; the input, where there is no result."""
    try:
        items = items_of(web().service.translator, _read(text, asked), asked).items
    except Refused:
        return text, asked
    chosen = items[min(asked.record, len(items) - 1)] if items else Item(None)
    resources = [part.resource for part in chosen.parts]
    made = bundles.lone_or_collection(resources) if chosen.written and resources else chosen.record
    if made is None or chosen.issues:
        return text, asked
    return fhir_json.write_pretty(made).decode(), replace(
        asked, example="", format="", record=0, lines=0, to_lines=0, page=0
    )


def _beside(record: Json | None, items: Items, *, is_example: bool) -> Beside:
    """Return what is at hand beside a record: of an order all that was given of it, of an administration its order.

    The others are in the same Bundle, or among the examples of the therapy.
    """
    if record is None:
        return Beside()
    others = [*items.records, *(one.record for one in examples.therapies().values() if is_example)]
    if record.get("record") == "Administration":
        order = next((one for one in others if _carries_out(record, one)), None)
        return Beside(order, _all_of(order, record, others), record)
    return Beside(record, _all_of(record, None, others))


def _all_of(order: Json | None, own: Json | None, others: Iterable[Json]) -> tuple[Json, ...]:
    """Return the administrations of an order, each once; ``own`` is one of them, and stands for its example."""
    found: dict[str, Json] = {} if own is None else {_name(own): own}
    for one in others:
        if order is not None and one.get("record") == "Administration" and _carries_out(one, order):
            found.setdefault(_name(one), one)
    return tuple(found.values())


def _name(administration: Json) -> str:
    return str(administration.get("administration_id") or administration.get("resource_id") or id(administration))


def _carries_out(administration: Json, order: Json) -> bool:
    named = administration.get("order", {})
    identifier = named.get("identifier", {}).get("value")
    literal = named.get("reference", "").rpartition("MedicationRequest/")[2]
    return order.get("record") == "InfusionOrder" and (
        (identifier is not None and identifier == order.get("order_id"))
        or (bool(literal) and literal == order.get("resource_id"))
    )


def _read(text: str, asked: Asked) -> Any:
    """Return what was pasted: what is of a site may hold what FHIR JSON may not, such as null."""
    return read_plain(text.encode()) if asked.format else fhir_json.read(text)


def _text_of(asked: Asked) -> str:
    """Return the text of the example that is asked for, on the side that is asked for.

    Raises:
        Refused: 400, there is no such example.
    """
    name = asked.example or _FIRST
    known = web().service.translator.library.formats
    if name.startswith(_SAMPLES) and name.removeprefix(_SAMPLES) in known:
        samples = samples_of(known[name.removeprefix(_SAMPLES)])
        return fhir_json.write_pretty(samples[0]).decode() if samples else ""
    if name in examples.texts():
        return examples.texts()[name]
    chosen = [one for one in examples.therapies().values() if name in {one.name, one.name.partition("/")[0]}]
    if not chosen:
        raise parameter_refusal("example", "there is no such example", "a name that the list of examples has")
    if asked.side == "record" and len(chosen) == 1:
        return chosen[0].text
    return fhir_json.write_pretty(_as_fhir(chosen, asked)).decode()


def _as_fhir(chosen: Iterable[Example], asked: Asked) -> Json:
    """Return the examples as what a FHIR server would give: one resource, or a Bundle."""
    turn = web().service.translator.to_fhir
    resources = [one for example in chosen for one in turn(example.record, asked.release).results]
    return bundles.lone_or_collection(resources)


def _listed(find: str) -> Iterator[tuple[str, str, list[Example]]]:
    """Yield the therapies with what they are called by and their examples, those alone that hold all words."""
    words = find.lower().split()
    for name, group in groupby(examples.therapies().values(), lambda one: one.name.partition("/")[0]):
        found = [one for one in group if all(word in f"{one.therapy} {one.title}" for word in words)]
        if found:
            yield name, found[0].therapy, found
