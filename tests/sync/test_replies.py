from __future__ import annotations

import pytest

from fhir_infusion.sync import replies
from fhir_infusion.sync.replies import (
    Answer,
    Clash,
    Doubtful,
    Entry,
    Forbidden,
    Gone,
    Listed,
    Missing,
    NotModified,
    Redirected,
    Rejected,
    Stale,
    Stamp,
    Throttled,
    Unauthorized,
    Written,
)

ORDER = b'{"resourceType":"MedicationRequest","id":"7","meta":{"versionId":"3","lastUpdated":"2025-05-01T08:00:00Z"}}'
OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"code":"invariant","diagnostics":"Jane Q"},{"code":"Jane"}]}'
STAMP = Stamp("MedicationRequest", "7", "3", 'W/"3"', "2025-05-01T08:00:00Z")


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (304, b"", NotModified()),
        (301, b"", Redirected()),
        (307, b"", Redirected()),
        (400, OUTCOME, Rejected(400, ("invariant",))),
        (401, b"", Unauthorized()),
        (403, b"", Forbidden()),
        (404, b"", Missing()),
        (405, b"", Rejected(405, ())),
        (408, b"", Doubtful("status 408")),
        (409, b"", Clash()),
        (410, b"", Gone()),
        (412, b"", Stale()),
        (422, b"<html>", Rejected(422, ())),
        (429, b"", Throttled("")),
        (500, b"", Doubtful("status 500")),
        (502, b"<html>", Doubtful("status 502")),
        (503, b"", Throttled("")),
        (504, b"", Doubtful("status 504")),
        (102, b"", Doubtful("status 102")),
        (206, ORDER, Doubtful("status 206")),
    ],
)
def test_each_status_that_reports_no_success_has_one_meaning(status: int, body: bytes, meaning: object):
    answer = Answer(status, {}, body)
    assert replies.of_write(answer, "MedicationRequest", "7") == meaning
    assert replies.of_read(answer, "MedicationRequest", "7") == meaning
    assert replies.of_search(answer, "MedicationRequest") == meaning


def test_f9_retry_after_is_kept_as_sent():
    assert replies.trouble(Answer(429, {"retry-after": "7"})) == Throttled("7")


@pytest.mark.parametrize(
    ("headers", "body", "meaning"),
    [
        (
            {},
            ORDER,
            Written(
                201,
                STAMP,
                {
                    "resourceType": "MedicationRequest",
                    "id": "7",
                    "meta": {"versionId": "3", "lastUpdated": "2025-05-01T08:00:00Z"},
                },
            ),
        ),
        ({}, b"", Written(201, None, None)),
        (
            {"location": "http://x/fhir/MedicationRequest/9/_history/4"},
            b"",
            Written(201, Stamp("MedicationRequest", "9", "4", 'W/"4"'), None),
        ),
        (
            {"location": "MedicationRequest/9", "etag": 'W/"a b"'},
            b"",
            Written(201, Stamp("MedicationRequest", "9", "a b", 'W/"a b"'), None),
        ),
        ({"location": "http://x/fhir/Patient/9"}, b"", Written(201, None, None)),
        ({}, OUTCOME, Written(201, None, None)),
        ({}, b"<html>ok</html>", Doubtful("unreadable answer")),
        ({}, b'{"resourceType":"Patient","id":"7"}', Doubtful("another resource was answered")),
        ({}, b'{"resourceType":"MedicationRequest"}', Doubtful("no id in the answer")),
        ({}, b'{"resourceType":"MedicationRequest","id":"7","id":"8"}', Doubtful("unreadable answer")),
    ],
)
def test_f10_the_answer_to_a_create_is_believed_only_as_far_as_it_can_be_read(
    headers: dict[str, str], body: bytes, meaning: object
):
    assert replies.of_write(Answer(201, headers, body), "MedicationRequest") == meaning


def test_an_update_that_answers_with_another_id_is_in_doubt():
    assert replies.of_write(Answer(200, {}, ORDER), "MedicationRequest", "8") == Doubtful(
        "another resource was answered"
    )


def test_a_page_keeps_each_entry_as_sent_and_leaves_out_what_was_not_asked_for():
    body = (
        b'{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"s"},{"relation":"next","url":"n"}],"entry":['
        b'{"resource":{"resourceType":"MedicationRequest","id":"1","meta":{"versionId":"2"},"x":1.50},"search":{"mode":"match"}},'
        b'{"resource":{"resourceType":"Patient","id":"5"},"search":{"mode":"include"}},'
        b'{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}},'
        b'{"fullUrl":"urn:x"},'
        b'{"resource":{"resourceType":"MedicationRequest","id":1,"status":"active"}}]}'
    )
    assert replies.of_search(Answer(200, {"date": "D"}, body), "MedicationRequest") == Listed(
        (
            Entry(
                Stamp("MedicationRequest", "1", "2", 'W/"2"'),
                '{"resourceType":"MedicationRequest","id":"1","meta":{"versionId":"2"},"x":1.50}',
            ),
            Entry(Stamp("", ""), '{"resourceType":"MedicationRequest","id":1,"status":"active"}'),
        ),
        "n",
        "D",
        ("incomplete",),  # the entry without a resource
        rows=5,
    )


def test_of_a_history_only_the_newest_state_of_each_resource_is_kept():
    def version(id_: str, number: int) -> bytes:
        resource = b'{"resourceType":"MedicationRequest","id":"%s","meta":{"versionId":"%d"}}' % (id_.encode(), number)
        return b'{"resource":%s,"request":{"method":"PUT","url":"x"}}' % resource

    def deletion(id_: str) -> bytes:
        return b'{"request":{"method":"DELETE","url":"MedicationRequest/%s"}}' % id_.encode()

    rows = [version("a", 3), deletion("b"), version("a", 2), version("b", 1), deletion("a"), version("c", 1)]
    body = b'{"resourceType":"Bundle","type":"history","entry":[%s]}' % b",".join(rows)
    page = replies.of_search(Answer(200, {}, body), "MedicationRequest")
    assert isinstance(page, Listed)
    assert [(one.stamp.id, one.stamp.version_id) for one in page.entries] == [("a", "3"), ("c", "1")]
    assert (page.deleted, page.rows) == (("b",), 6)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Bundle","type":"document"}']
)
def test_what_is_no_search_result_is_in_doubt(body: bytes):
    assert isinstance(replies.of_search(Answer(200, {}, body), "MedicationRequest"), Doubtful)


def test_what_the_peer_could_not_give_is_kept_by_its_codes_alone():
    outcome = b'{"resourceType":"OperationOutcome","issue":[{"severity":"%s","code":"%s","diagnostics":"Jane"}]}'
    entry = b'{"resource":%s,"search":{"mode":"outcome"}}'
    told = [(b"error", b"timeout"), (b"warning", b"incomplete"), (b"fatal", b"Jane Doe"), (b"error", b"timeout")]
    entries = b",".join(entry % (outcome % pair) for pair in told)
    body = b'{"resourceType":"Bundle","type":"searchset","entry":[' + entries + b"]}"
    page = replies.of_search(Answer(200, {}, body), "MedicationRequest")
    assert page == Listed((), "", "", ("timeout", "unknown"), rows=4)


def test_bytes_that_are_no_utf8_stay_unreadable_in_the_entry_kept():
    body = b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"MedicationRequest","x":"\xff"}}]}'
    page = replies.of_search(Answer(200, {}, body), "MedicationRequest")
    assert isinstance(page, Listed)
    assert r"\xff" in page.entries[0].text
