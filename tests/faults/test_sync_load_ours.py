"""A first load from a server of our own kind, over a real socket: what its ``$export`` gives arrives here whole."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler, make_server

from fhir_infusion.sync import bulk
from fhir_infusion.web.app import create_app
from tests.faults.peer import Peer
from tests.faults.rig import Clock, Rig, administration, open_rig, order

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class _Whole(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # as gunicorn: what is streamed comes in chunks, and its end is known

    def log(self, *_: object, **__: object) -> None:
        pass


def _loaded(rig: Rig) -> str:
    while True:
        step = bulk.load(rig.service, "peer", "")
        if step["state"] in {"done", "refused"}:
            return str(step["trouble"])
        rig.clock.move(step["wait_seconds"] or 1)


def test_s7_a_load_from_our_own_export_takes_orders_and_what_was_given_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    unused = Peer()
    source = open_rig(unused, tmp_path / "source.db", Clock())
    for number in range(12):
        source.place(order(f"A-{number}"))
    source.give(administration("G-1", "A-1", 5, "7.50"))
    server = make_server("127.0.0.1", 0, create_app(source.service), threaded=True, request_handler=_Whole)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    there = Peer()
    monkeypatch.setattr(Peer, "base", f"http://127.0.0.1:{server.server_port}/fhir/r4")
    rig = open_rig(there, tmp_path / "rig.db", Clock())
    assert _loaded(rig) == ""
    assert sorted(one["identifier"][0]["value"] for one in rig.all()) == sorted(f"A-{number}" for number in range(12))
    given = source.all("MedicationAdministration")
    assert len(rig.all("MedicationAdministration")) == len(given) > 1
    assert rig.quarantined() == []
    assert [(one.received, one.trouble) for one in rig.pull()] == [(0, ""), (0, "")]
    source.place(order("A-12"))
    assert [(one.received, one.trouble) for one in rig.pull()] == [(1, ""), (0, "")]
    rig.close()
    server.shutdown()
    thread.join()
    server.server_close()
    source.close()
    there.close()
    unused.close()
