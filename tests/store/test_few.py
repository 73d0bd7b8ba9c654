"""Whether a listing is sorted or walked changes what it costs, never what it holds, nor where a page goes on."""

import pytest

from fhir_infusion.errors import Refused
from fhir_infusion.fhir.search import parse
from fhir_infusion.store import few, search
from tests.store.finding import keep
from tests.store.helpers import MR, TENANT
from tests.store.test_orders import order, paged, shuffled

ASKED = (
    "status=active&category=a",
    "status=active,stopped",
    "category=a",
    "category=a&authoredon=ge2024-02-11",
    "identifier=http://s|",
    "identifier=http://s|&status=active",
    "authoredon=ge2024-02-11&status=active",
    "authoredon=lt2024-02-12&status=active",
    "authoredon=2024-02&status=active",
    "status=completed",
)
SORTS = ("", "_sort=-_lastUpdated", "_sort=authoredon", "_sort=-authoredon,status", "_sort=status", "_sort=-_id")


def all_ways(store, asked, monkeypatch):
    """Return the pages of a search as it is read where everything is few, and where nothing is."""
    pages = []
    for limit in (1000, 0):
        monkeypatch.setattr(few, "FEW", limit)
        pages.append(paged(store, asked, 4))
    return pages


@pytest.mark.parametrize("sort", SORTS)
def test_few_or_many_the_same_is_found_in_the_same_order(store, monkeypatch, sort):
    made = shuffled(7, 30)
    keep(store, *({**one, "identifier": [{"system": "http://s", "value": one["id"]}]} for one in made[:20]), *made[20:])
    for asked in ASKED:
        sorted_, walked = all_ways(store, "&".join(filter(None, (asked, sort))), monkeypatch)
        assert len(set(sorted_)) == len(sorted_)
        # Where one date is asked for beside others and nothing sorted by, the order is that of the date or of creation.
        if sort or "authoredon" not in asked:
            assert sorted_ == walked, asked
        assert sorted(sorted_) == sorted(walked), asked
        assert bool(walked) == (asked != "status=completed"), asked


@pytest.mark.parametrize("before", [0, 1000])
@pytest.mark.parametrize(
    "asked", ["category=a&_sort=authoredon", "authoredon=ge2024&status=active", "identifier=http://s|"]
)
def test_pages_go_on_as_the_first_began_though_few_have_become_many_meanwhile(store, monkeypatch, asked, before):
    name = {"identifier": [{"system": "http://s", "value": "x"}]}
    made = [order(f"o{n:02}", f"2024-01-{n + 1:02}", "active", "a") | name for n in range(12)]
    keep(store, *made)
    query = parse(MR, "R4", [pair.split("=") for pair in asked.split("&")])
    monkeypatch.setattr(few, "FEW", before)
    ids: list[str] = []
    after: tuple[str, ...] | None = ()
    while after is not None:
        page = store.read(TENANT, lambda tx, after=after: search.page(tx, MR, query, 5, after))
        ids += [one.id for one in page.entries]
        after = page.after
        monkeypatch.setattr(few, "FEW", 1000 - before)
    assert ids == [one["id"] for one in made]


def test_a_token_that_says_something_else_of_what_was_counted_is_refused(store, monkeypatch):
    keep(store, *(order(f"o{n}", "2024-01-01", "active", "a") for n in range(3)))
    query = parse(MR, "R4", [("status", "active"), ("category", "a")])
    monkeypatch.setattr(few, "FEW", 0)
    token = store.read(TENANT, lambda tx: search.page(tx, MR, query, 1)).after
    assert token[0] == "created/mm"
    for name in ("created/m", "created/mmm", "created/mx", "dated/mm"):
        with pytest.raises(Refused) as refused:
            store.read(TENANT, lambda tx, name=name: search.page(tx, MR, query, 1, (name, *token[1:])))
        assert refused.value.status == 400
