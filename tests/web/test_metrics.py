"""Counters that several processes share: each counts in its part, and any of them tells the sums."""

from __future__ import annotations

from fhir_infusion.web.metrics import Metrics, room

REQUESTS = "fhir_infusion_requests_total"


def samples(metrics: Metrics) -> dict[str, int]:
    found = (line.rpartition(" ") for line in metrics.text({}).splitlines() if not line.startswith("#"))
    return {name: int(value) for name, _, value in found}


def told(route: str, status: int = 200) -> str:
    return f'{REQUESTS}{{method="GET",route="{route}",status="{status}"}}'


def test_whoever_is_asked_tells_the_sums_of_all_and_one_that_follows_goes_on_with_the_part_of_one_that_died():
    parts = room(2)
    one, other = Metrics(parts, 0), Metrics(parts, 1)
    for _ in range(3):
        one.count("GET", "/a/<id>", 200, 5)
    other.count("GET", "/a/<id>", 200, 7)
    other.count("GET", "/b", 404, 1)
    expected = {
        told("/a/<id>"): 4,
        told("/b", 404): 1,
        'fhir_infusion_request_milliseconds_total{route="/a/<id>"}': 22,
        'fhir_infusion_request_milliseconds_total{route="/b"}': 1,
    }
    assert samples(one) == samples(other) == expected
    following = Metrics(parts, 1)
    following.count("GET", "/b", 404, 1)
    following.count("GET", "/c", 200, 1)
    assert samples(one)[told("/b", 404)] == 2
    assert samples(one)[told("/c")] == 1
    assert samples(one)[told("/a/<id>")] == 4


def test_what_has_no_place_any_more_is_counted_together_and_touches_no_other_part():
    parts = room(2)
    one, other = Metrics(parts, 0), Metrics(parts, 1)
    other.count("GET", "/b", 200, 1)
    for number in range(3000):
        one.count("GET", f"/{number}", 200, 0)
    one.count("GET", "/" + "x" * 300, 200, 0)
    found = samples(other)
    assert sum(value for name, value in found.items() if name.startswith(REQUESTS)) == 3002
    assert found[told("/0")] == found[told("/b")] == 1
    assert found[f'{REQUESTS}{{method="other",route="other",status="0"}}'] == 3001 - 2047
