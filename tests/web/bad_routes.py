"""Every route with what of a bad request fits it (2.4): its table decides what is tried where.

A route that is not in :data:`TABLE` fails a test, and so does one that takes something and is not said to.
"""

from __future__ import annotations

from typing import Final

FHIR: Final = "/fhir/<release>"
TYPE: Final = f"{FHIR}/<fhir_type>"
ONE: Final = f"{TYPE}/<resource_id>"
SUB: Final = f"{FHIR}/Subscription"
ORDER: Final = "/api/orders"
GIVEN: Final = "/api/administrations"
SYNC: Final = "/api/sync"
HELD: Final = f"{SYNC}/conflicts"
CONSOLE: Final = "/console"
REMOTE: Final = f"{CONSOLE}/remotes/<remote>"
ROW: Final = f"{CONSOLE}/rows/<row>"

DEFINED: Final = ("StructureDefinition", "ValueSet", "CodeSystem", "OperationDefinition", "ConceptMap", "StructureMap")

BODY: Final = "body"
"""It reads a JSON body: what is no strict JSON, is too large, cut short, encoded, or of another media type."""
FORM: Final = "form"
"""It reads a form."""
QUERY: Final = "query"
"""It reads parameters of its address, and refuses those that it does not know."""
CRITERIA: Final = "criteria"
"""Its parameters are a search."""
PAGES: Final = "pages"
"""It has pages: a number of entries, and a token."""
DATES: Final = "dates"
"""One of its parameters is a date."""
ACCEPT: Final = "accept"
"""Its answer is JSON, which a client may not want."""
NAMED: Final = "named"
"""Its address names one resource or the like: unknown, deleted, or no id at all."""
IF_MATCH: Final = "If-Match"
"""It changes what is there."""
KEY: Final = "Idempotency-Key"
"""It takes a key."""
EXIST: Final = "If-None-Exist"
"""It creates, unless what meets a criterion is there."""
STORE: Final = "store"
"""It needs the store."""

_READ: Final = (ACCEPT, NAMED, STORE)
_LIST: Final = (QUERY, PAGES, ACCEPT, STORE)
_PAGE: Final = (QUERY, STORE)
_WRITE: Final = (BODY, ACCEPT, STORE)

TABLE: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("POST", ORDER): (*_WRITE, KEY),
    ("GET", ORDER): (*_LIST, DATES),
    ("GET", f"{ORDER}/<resource_id>"): _READ,
    ("GET", f"{ORDER}/<resource_id>/resolved"): _READ,
    ("PUT", f"{ORDER}/<resource_id>"): (*_WRITE, NAMED, IF_MATCH, KEY),
    ("POST", GIVEN): (*_WRITE, KEY),
    ("GET", GIVEN): (*_LIST, DATES),
    ("GET", f"{GIVEN}/<resource_id>"): _READ,
    ("PUT", f"{GIVEN}/<resource_id>"): (*_WRITE, NAMED, IF_MATCH, KEY),
    ("GET", f"{GIVEN}/<resource_id>/amounts"): _READ,
    ("GET", f"{GIVEN}/<resource_id>/resolved"): _READ,
    ("POST", "/api/translate"): (BODY, ACCEPT),
    ("GET", "/api/mappings"): (ACCEPT,),
    ("POST", "/api/mappings/reload"): (ACCEPT,),
    ("POST", "/api/formats/<format_name>"): (*_WRITE, NAMED, KEY),
    ("GET", HELD): _LIST,
    ("GET", f"{HELD}/<conflict_id>"): _READ,
    ("POST", f"{HELD}/<conflict_id>/resolve"): (*_WRITE, NAMED, IF_MATCH, KEY),
    # No remote is in the settings, so that nothing is asked of the store.
    ("GET", f"{SYNC}/status"): (QUERY, ACCEPT),
    ("GET", f"{SYNC}/trace"): (QUERY, ACCEPT, STORE),
    ("GET", f"{SYNC}/rows/<row>"): _READ,
    ("GET", f"{SYNC}/remotes/<remote>/aside"): (QUERY, PAGES, ACCEPT, NAMED),
    ("POST", f"{SYNC}/remotes/<remote>/replay"): (BODY, ACCEPT, NAMED),
    ("POST", f"{SYNC}/remotes/<remote>/skip"): (BODY, ACCEPT, NAMED),
    ("GET", f"{SYNC}/remotes/<remote>/quarantine"): (QUERY, PAGES, ACCEPT, NAMED),
    ("POST", f"{SYNC}/remotes/<remote>/quarantine"): (BODY, ACCEPT, NAMED),
    ("POST", FHIR): (*_WRITE, KEY),
    ("GET", f"{FHIR}/metadata"): (ACCEPT,),
    ("GET", f"{FHIR}/$export"): (QUERY, DATES, ACCEPT, STORE),
    ("POST", f"{FHIR}/$export"): (*_WRITE, QUERY, DATES),
    # The manifest is plain JSON whatever Accept says, as are the answers of a bulk export beside it.
    ("GET", f"{FHIR}/$export-status/<export_id>"): (NAMED, STORE),
    ("DELETE", f"{FHIR}/$export-status/<export_id>"): (NAMED, STORE),
    ("GET", f"{FHIR}/$export-file/<export_id>/<name>"): (NAMED, STORE),
    ("GET", SUB): _LIST,
    ("POST", f"{SUB}/_search"): (*_LIST, FORM),
    ("POST", SUB): (*_WRITE, KEY, EXIST),
    ("GET", f"{SUB}/$status"): (QUERY, ACCEPT, STORE),
    ("POST", f"{SUB}/$status"): (*_WRITE, QUERY),
    ("GET", f"{SUB}/<subscription_id>"): _READ,
    ("PUT", f"{SUB}/<subscription_id>"): (*_WRITE, NAMED, IF_MATCH, KEY),
    ("DELETE", f"{SUB}/<subscription_id>"): (*_READ, KEY),
    ("GET", f"{SUB}/<subscription_id>/$status"): _READ,
    ("GET", f"{SUB}/<subscription_id>/$events"): (*_READ, QUERY),
    ("POST", f"{SUB}/<subscription_id>/$events"): (*_WRITE, NAMED, QUERY),
    # Definitions and topics are not in the store.
    **{("GET", f"{FHIR}/{one}"): (QUERY, PAGES, ACCEPT) for one in DEFINED},
    **{("POST", f"{FHIR}/{one}/_search"): (QUERY, PAGES, ACCEPT, FORM) for one in DEFINED},
    **{("GET", f"{FHIR}/{one}/<definition_id>"): (ACCEPT, NAMED) for one in DEFINED},
    ("POST", f"{FHIR}/StructureMap/$transform"): (BODY, QUERY, ACCEPT),
    ("POST", f"{FHIR}/StructureMap/<definition_id>/$transform"): (BODY, QUERY, ACCEPT, NAMED),
    ("POST", f"{FHIR}/$convert-data"): (BODY, QUERY, ACCEPT),
    ("GET", f"{FHIR}/ConceptMap/$translate"): (QUERY, ACCEPT),
    ("POST", f"{FHIR}/ConceptMap/$translate"): (BODY, QUERY, ACCEPT),
    ("GET", f"{FHIR}/ConceptMap/<definition_id>/$translate"): (QUERY, ACCEPT, NAMED),
    ("POST", f"{FHIR}/ConceptMap/<definition_id>/$translate"): (BODY, QUERY, ACCEPT, NAMED),
    ("GET", f"{FHIR}/SubscriptionTopic"): (QUERY, PAGES, ACCEPT),
    ("GET", f"{FHIR}/SubscriptionTopic/<topic_id>"): (ACCEPT, NAMED),
    ("GET", f"{FHIR}/Basic"): (QUERY, PAGES, ACCEPT),
    ("GET", f"{FHIR}/Basic/<topic_id>"): (ACCEPT, NAMED),
    ("POST", f"{FHIR}/Patient/$merge"): (*_WRITE, QUERY, KEY),
    ("GET", TYPE): (*_LIST, CRITERIA, DATES),
    ("POST", f"{TYPE}/_search"): (*_LIST, CRITERIA, DATES, FORM),
    ("POST", TYPE): (*_WRITE, QUERY, KEY, EXIST),
    ("POST", f"{TYPE}/$validate"): _WRITE,
    ("POST", f"{ONE}/$validate"): _WRITE,
    ("GET", f"{ONE}/$validate"): _READ,
    ("GET", f"{FHIR}/Patient/<resource_id>/$everything"): (*_READ, QUERY, PAGES),
    ("POST", f"{FHIR}/Patient/<resource_id>/$everything"): (*_WRITE, NAMED, QUERY, PAGES),
    ("GET", ONE): _READ,
    ("PUT", ONE): (*_WRITE, NAMED, QUERY, IF_MATCH, KEY),
    ("GET", f"{ONE}/_history/<version>"): _READ,
    ("PUT", TYPE): (*_WRITE, QUERY, CRITERIA, DATES, IF_MATCH, KEY),
    ("PATCH", ONE): (*_WRITE, NAMED, QUERY, IF_MATCH, KEY),
    ("PATCH", TYPE): (*_WRITE, QUERY, CRITERIA, DATES, IF_MATCH, KEY),
    ("DELETE", ONE): (ACCEPT, NAMED, QUERY, IF_MATCH, KEY, STORE),
    ("DELETE", TYPE): (ACCEPT, QUERY, CRITERIA, DATES, IF_MATCH, KEY, STORE),
    ("GET", f"{ONE}/_history"): (*_LIST, DATES, NAMED),
    ("GET", f"{TYPE}/_history"): (*_LIST, DATES),
    ("GET", f"{FHIR}/_history"): (*_LIST, DATES),
    # Shown the owner's token only, by commands of this machine, which want JSON. What they ask for, a remote and a
    # conflict, is not there: tests/cli and tests/sync have those that are.
    ("POST", "/internal/<work>"): (BODY, NAMED),
    # Whatever is sent there, only the token of a remote is asked for, and here is none: tests/faults/test_sync_nudge.py.
    ("POST", "/hooks/<remote>"): (),
    ("PUT", "/hooks/<remote>"): (),
    ("POST", "/hooks/<remote>/<their_type>/<their_id>"): (),
    ("PUT", "/hooks/<remote>/<their_type>/<their_id>"): (),
    # One text each, whatever is asked.
    ("GET", "/openapi.json"): (),
    ("GET", "/"): (),
    ("GET", "/docs"): (),
    ("GET", "/docs/api"): (),
    ("GET", "/docs/<name>"): (NAMED,),
    ("GET", "/workbench"): (QUERY,),
    ("POST", "/workbench"): (FORM,),
    # Without a remote in the settings there is nothing to ask the store for.
    ("GET", CONSOLE): (QUERY,),
    ("GET", REMOTE): (QUERY, NAMED),
    ("POST", f"{REMOTE}/resume"): (FORM, NAMED),
    ("GET", f"{REMOTE}/aside"): (QUERY, PAGES, NAMED),
    ("POST", f"{REMOTE}/replay"): (FORM, NAMED),
    ("POST", f"{REMOTE}/skip"): (FORM, NAMED),
    ("GET", f"{REMOTE}/quarantine"): (QUERY, PAGES, NAMED),
    ("GET", f"{REMOTE}/quarantine/content"): (QUERY, NAMED),
    ("POST", f"{REMOTE}/quarantine"): (FORM, NAMED),
    ("GET", ROW): (*_PAGE, NAMED),
    ("GET", f"{ROW}/content"): (*_PAGE, NAMED),
    ("GET", f"{ROW}/duplicates"): (*_PAGE, NAMED),
    ("POST", f"{ROW}/duplicates"): (FORM, NAMED),
    ("GET", f"{CONSOLE}/conflicts"): (*_PAGE, PAGES),
    ("GET", f"{CONSOLE}/conflicts/<conflict_id>"): (*_PAGE, NAMED),
    ("POST", f"{CONSOLE}/conflicts/<conflict_id>"): (FORM, NAMED),
    # It asks for an order first, and so needs nothing; what is not found stands on it.
    ("GET", f"{CONSOLE}/trace"): (QUERY,),
    ("GET", f"{CONSOLE}/audit"): (*_PAGE, PAGES),
    ("GET", f"{CONSOLE}/audit/check"): _PAGE,
    ("GET", "/health/live"): (),
    # 503 with the part that does not work, and the counters without it: tests/web/test_service.py.
    ("GET", "/health/ready"): (),
    ("GET", "/metrics"): (),
}
"""Method and rule to what fits."""
