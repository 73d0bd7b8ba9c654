"""The route table: every address once. Flask's map, the gate's open addresses and OpenAPI come from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fhir_infusion.web import (
    administrations,
    conflicts,
    docs,
    formats,
    health,
    hooks,
    internal,
    mappings,
    openapi,
    orders,
    sync_api,
    translate,
    workbench,
)
from fhir_infusion.web.console.pages import CONSOLE
from fhir_infusion.web.fhir import (
    bundle,
    convert_data,
    create,
    definition,
    delete,
    everything,
    export,
    history,
    merge,
    metadata,
    patch,
    read,
    search,
    subscription,
    topic,
    transform,
    translate_code,
    update,
    validate,
    vread,
)
from fhir_infusion.web.sync_api import PATH as SYNC
from fhir_infusion.web.sync_api import REMOTE

FHIR: Final = "/fhir/<release>"


@dataclass(frozen=True, slots=True)
class Route:
    """One method at one address.

    ``is_public``: answered without a token too, so it must show no data; ``for_operators``: to no token without that
    role. ``is_page``: for people, who are asked to sign in where a token is missing.
    """

    method: str
    rule: str
    view: Callable[..., Any]
    summary: str
    is_public: bool = False
    for_operators: bool = False
    is_page: bool = False


ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "/api/orders", orders.post, "Place an order"),
    Route("GET", "/api/orders", orders.find, "Find orders"),
    Route("GET", "/api/orders/<resource_id>", orders.get, "Read an order"),
    Route("GET", "/api/orders/<resource_id>/resolved", orders.resolved, "An order with what its references lead to"),
    Route("PUT", "/api/orders/<resource_id>", orders.put, "Change an order"),
    Route("POST", "/api/administrations", administrations.post, "Record an administration"),
    Route("GET", "/api/administrations", administrations.find, "Find administrations"),
    Route("GET", "/api/administrations/<resource_id>", administrations.get, "Read an administration"),
    Route("PUT", "/api/administrations/<resource_id>", administrations.put, "Change an administration"),
    Route(
        "GET",
        "/api/administrations/<resource_id>/amounts",
        administrations.amounts,
        "What was given of each ingredient of a mixture",
    ),
    Route(
        "GET",
        "/api/administrations/<resource_id>/resolved",
        administrations.resolved,
        "An administration with what its references lead to",
    ),
    Route("POST", "/api/formats/<format_name>", formats.post, "Store what a site says in its own JSON"),
    Route("POST", "/api/translate", translate.post, "Translate without storing"),
    Route("GET", mappings.PATH, mappings.get, "The mapping documents in use"),
    Route(
        "POST",
        f"{mappings.PATH}/reload",
        mappings.post,
        "Read the mapping documents anew; until they are proven those before serve on",
        for_operators=True,
    ),
    Route("GET", conflicts.PATH, conflicts.find, "What waits for a person, without values", for_operators=True),
    Route("GET", f"{conflicts.PATH}/<conflict_id>", conflicts.get, "A conflict with its values", for_operators=True),
    Route(
        "POST",
        f"{conflicts.PATH}/<conflict_id>/resolve",
        conflicts.resolve,
        "Decide a conflict: whose state stands, and why",
        for_operators=True,
    ),
    Route("GET", f"{SYNC}/status", sync_api.status, "How each remote stands, and what to do next", for_operators=True),
    Route("GET", f"{SYNC}/trace", sync_api.trace, "What happened to an order, here and there", for_operators=True),
    Route("GET", f"{SYNC}/rows/<row>", sync_api.row, "What a row of the outbox tells", for_operators=True),
    Route("GET", f"{REMOTE}/aside", sync_api.put_aside, "What was put aside on its way there", for_operators=True),
    Route("POST", f"{REMOTE}/replay", sync_api.replay, "Tell rows again", for_operators=True),
    Route("POST", f"{REMOTE}/skip", sync_api.skip, "Give up rows that were put aside", for_operators=True),
    Route("GET", f"{REMOTE}/quarantine", sync_api.quarantine, "What could not be taken", for_operators=True),
    Route("POST", f"{REMOTE}/quarantine", sync_api.retry, "Try again to take what could not be", for_operators=True),
    Route("POST", FHIR, bundle.post, "Batch or transaction"),
    Route("GET", f"{FHIR}/metadata", metadata.get, "CapabilityStatement", is_public=True),
    Route("GET", f"{FHIR}/$export", export.get, "Begin an export of everything"),
    Route("POST", f"{FHIR}/$export", export.post, "The same, asked for by Parameters"),
    Route("GET", f"{FHIR}/$export-status/<export_id>", export.status, "The manifest of an export"),
    Route("DELETE", f"{FHIR}/$export-status/<export_id>", export.cancel, "Forget an export"),
    Route("GET", f"{FHIR}/$export-file/<export_id>/<name>", export.file, "Fetch a file of an export"),
    Route("GET", f"{FHIR}/Subscription", subscription.find, "Search subscriptions"),
    Route("POST", f"{FHIR}/Subscription/_search", subscription.find, "The same by POST"),
    Route("POST", f"{FHIR}/Subscription", subscription.post, "Subscribe"),
    Route("GET", f"{FHIR}/Subscription/$status", subscription.statuses, "How subscriptions stand"),
    Route("POST", f"{FHIR}/Subscription/$status", subscription.statuses, "The same, asked for by Parameters"),
    Route("GET", f"{FHIR}/Subscription/<subscription_id>", subscription.get, "Read a subscription"),
    Route("PUT", f"{FHIR}/Subscription/<subscription_id>", subscription.put, "Change a subscription"),
    Route("DELETE", f"{FHIR}/Subscription/<subscription_id>", subscription.delete, "Delete a subscription"),
    Route("GET", f"{FHIR}/Subscription/<subscription_id>/$status", subscription.status, "How a subscription stands"),
    Route("GET", f"{FHIR}/Subscription/<subscription_id>/$events", subscription.events, "Its events, again"),
    Route("POST", f"{FHIR}/Subscription/<subscription_id>/$events", subscription.events, "The same, by Parameters"),
    Route("GET", f"{FHIR}/SubscriptionTopic", topic.listed, "The topics to subscribe to"),
    Route("GET", f"{FHIR}/SubscriptionTopic/<topic_id>", topic.get, "Read a topic"),
    Route("GET", f"{FHIR}/Basic", topic.basics, "The topics in R4"),
    Route("GET", f"{FHIR}/Basic/<topic_id>", topic.basic, "Read a topic in R4"),
    *(Route("GET", f"{FHIR}/{one}", definition.listed_of(one), f"Our own: {one}") for one in definition.TYPES),
    *(
        Route("POST", f"{FHIR}/{one}/_search", definition.listed_of(one), "The same by POST")
        for one in definition.TYPES
    ),
    *(
        Route("GET", f"{FHIR}/{one}/<definition_id>", definition.get_of(one), f"Read one: {one}")
        for one in definition.TYPES
    ),
    Route("GET", f"{FHIR}/ConceptMap/$translate", translate_code.get, "What a code becomes by our code tables"),
    Route("POST", f"{FHIR}/ConceptMap/$translate", translate_code.post, "The same, asked for by Parameters"),
    Route("GET", f"{FHIR}/ConceptMap/<definition_id>/$translate", translate_code.get, "What it becomes by one table"),
    Route("POST", f"{FHIR}/ConceptMap/<definition_id>/$translate", translate_code.post, "The same, by Parameters"),
    Route("POST", f"{FHIR}/StructureMap/$transform", transform.post, "Perform a mapping that the request names"),
    Route("POST", f"{FHIR}/StructureMap/<definition_id>/$transform", transform.post, "Perform this mapping"),
    Route("POST", f"{FHIR}/$convert-data", convert_data.post, "What a record becomes, as a transaction"),
    Route("POST", f"{FHIR}/Patient/$merge", merge.post, "Merge two patients, or see what that would do"),
    Route("GET", f"{FHIR}/<fhir_type>", search.get, "Search"),
    Route("POST", f"{FHIR}/<fhir_type>/_search", search.post, "Search by POST"),
    Route("POST", f"{FHIR}/<fhir_type>", create.post, "Create"),
    Route("POST", f"{FHIR}/<fhir_type>/$validate", validate.post, "Judge a resource and store nothing"),
    Route("POST", f"{FHIR}/<fhir_type>/<resource_id>/$validate", validate.post, "The same, as what an id would become"),
    Route("GET", f"{FHIR}/<fhir_type>/<resource_id>/$validate", validate.get, "Judge what is stored"),
    Route("GET", f"{FHIR}/Patient/<resource_id>/$everything", everything.get, "Everything of a patient's infusions"),
    Route("POST", f"{FHIR}/Patient/<resource_id>/$everything", everything.post, "The same, asked for by Parameters"),
    Route("GET", f"{FHIR}/<fhir_type>/<resource_id>", read.get, "Read"),
    Route("PUT", f"{FHIR}/<fhir_type>/<resource_id>", update.put, "Update, or create under this id"),
    Route("GET", f"{FHIR}/<fhir_type>/<resource_id>/_history/<version>", vread.get, "Read a version"),
    Route("PUT", f"{FHIR}/<fhir_type>", update.put_matching, "Update, or create, the one that meets criteria"),
    Route("PATCH", f"{FHIR}/<fhir_type>/<resource_id>", patch.patch, "Patch"),
    Route("PATCH", f"{FHIR}/<fhir_type>", patch.patch_matching, "Patch the one that meets criteria"),
    Route("DELETE", f"{FHIR}/<fhir_type>/<resource_id>", delete.delete, "Delete"),
    Route("DELETE", f"{FHIR}/<fhir_type>", delete.delete_matching, "Delete the one that meets criteria"),
    Route("GET", f"{FHIR}/<fhir_type>/<resource_id>/_history", history.of_resource, "What became of a resource"),
    Route("GET", f"{FHIR}/<fhir_type>/_history", history.of_type, "What became of all resources of a type"),
    Route("GET", f"{FHIR}/_history", history.of_all, "What became of everything"),
    Route("POST", "/internal/<work>", internal.do, "Work handed over by a command of this machine", is_public=True),
    Route("POST", "/hooks/<remote>", hooks.take, "A remote says that something changed", is_public=True),
    Route("PUT", "/hooks/<remote>", hooks.take, "The same", is_public=True),
    Route("POST", "/hooks/<remote>/<their_type>/<their_id>", hooks.take, "The same", is_public=True),
    Route("PUT", "/hooks/<remote>/<their_type>/<their_id>", hooks.take, "The same", is_public=True),
    Route("GET", "/openapi.json", openapi.get, "This description"),
    Route("GET", "/", docs.index, "The documentation, for who names no address", is_page=True),
    Route("GET", "/docs", docs.index, "The documentation", is_page=True),
    Route("GET", "/docs/api", docs.api, "The API reference", is_page=True),
    Route("GET", "/docs/<name>", docs.show, "A guide or manual", is_page=True),
    Route("GET", "/workbench", workbench.show, "The workbench", is_page=True),
    Route("POST", "/workbench", workbench.post, "The workbench, for what was pasted", is_page=True),
    *(Route(*one, for_operators=True, is_page=True) for one in CONSOLE),
    Route("GET", "/health/live", health.live, "Whether the process answers", is_public=True),
    Route("GET", "/health/ready", health.ready, "Whether it can serve, and what cannot"),
    Route("GET", "/metrics", health.metrics, "Counters in the Prometheus text format"),
)
