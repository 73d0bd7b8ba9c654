"""Storing resources as they are and searching them by a query as it stands in a URL."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fhir_infusion.fhir.search import entries, parse
from fhir_infusion.store import include, search, versions
from tests.store.helpers import TENANT


def keep(store, *resources, release="R4", tenant=TENANT):
    """Write the next version of each."""

    def work(tx):
        for one in resources:
            type_, id_ = one["resourceType"], one["id"]
            previous = versions.current(tx, type_, id_)
            rows = entries(one, release)
            versions.put(tx, versions.Draft(type_, id_, release, one, {}, "", rows, previous))

    store.transact(tenant, work)


def found(store, asked, release="R4", size=100, tenant=TENANT):
    """Return the ids that ``Type?query`` finds, page after page, in their order."""
    type_, _, text = asked.partition("?")
    query = parse(type_, release, parse_qsl(text, keep_blank_values=True))
    ids: list[str] = []
    after: tuple[str, ...] | None = ()
    while after is not None:
        page = store.read(tenant, lambda tx, after=after: search.page(tx, type_, query, size, after))
        ids += [one.id for one in page.entries]
        after = page.after
    assert store.read(tenant, lambda tx: search.total(tx, type_, query)) == len(ids)
    return ids


def along(store, asked, release="R4", most=include.MOST, tenant=TENANT):
    """Return what comes along with ``Type?query`` as ``Type/id``, and whether that is all."""
    type_, _, text = asked.partition("?")
    query = parse(type_, release, parse_qsl(text))

    def work(tx):
        page = search.page(tx, type_, query, 100)
        came, is_all = include.along(tx, page.entries, query.includes, most)
        return [one.aggregate for one in came], is_all

    return store.read(tenant, work)
