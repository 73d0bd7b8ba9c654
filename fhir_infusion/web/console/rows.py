"""``/console/remotes/<remote>/aside`` and ``/console/rows``: what was put aside on its way out; what becomes of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fhir_infusion.fhir import json as fhir_json
from fhir_infusion.store import aside, attempts
from fhir_infusion.sync import duplicates, replaying
from fhir_infusion.sync.inspecting import show_row
from fhir_infusion.web import listing, whose
from fhir_infusion.web.console import common, words
from fhir_infusion.web.console.remotes import PATH as REMOTES
from fhir_infusion.web.context import caller, web

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from fhir_infusion.store import Tx
    from fhir_infusion.store.outbox import Row
    from fhir_infusion.web.problems import Problem

PATH: Final = f"{common.HOME}/rows"


def listed(remote: str) -> Response:
    """List the rows of a remote that were put aside. ``GET /console/remotes/<remote>/aside``."""
    return _list(remote)


def one(row: str) -> Response:
    """Show a row with its attempts, without content. ``GET /console/rows/<row>``."""
    common.stated({})
    return _page(whose.row_of(row))


def content(row: str) -> Response:
    """Show what a row tells; audited as a read. ``GET /console/rows/<row>/content``."""
    common.stated({})
    who, found = caller(), whose.row_of(row)
    shown = show_row(web().service, who.client, str(found.seq), who.tenant)
    text = fhir_json.write_pretty(shown["content"]).decode()
    title = f"{found.aggregate}, version {found.version}, as it is told ({shown['release']})"
    return common.render("content.html", "remotes", title=title, text=text, back=f"{PATH}/{found.seq}")


def replay(remote: str) -> Response:
    """Tell rows again. ``POST /console/remotes/<remote>/replay``."""

    def work(name: str, rows: str, reason: str) -> str:
        return words.replayed(replaying.replay(web().service, caller().client, name, rows, reason))

    return _decided(remote, work)


def skip(remote: str) -> Response:
    """Give rows up. ``POST /console/remotes/<remote>/skip``."""

    def work(_name: str, rows: str, reason: str) -> str:
        who = caller()
        skipped = replaying.skip(web().service, who.client, rows, reason, who.tenant)["skipped"]
        return f"Given up: {len(skipped)}. They are kept, and never sent."

    return _decided(remote, work)


def doubles(row: str) -> Response:
    """Ask the remote which resources there carry the identifier of a row's. ``GET /console/rows/<row>/duplicates``."""
    common.stated({})
    return _doubles(whose.row_of(row))


def undouble(row: str) -> Response:
    """End all of these but one. ``POST /console/rows/<row>/duplicates``."""
    form, found = common.fields(), whose.row_of(row)

    def work() -> str:
        reason = common.field(form, "reason")
        done = duplicates.undouble(web().service, caller().client, found.endpoint, found.aggregate, reason)
        failed = [f"{place} ({why})" for place, why in done.get("failed", {}).items()]
        left = f" Not ended: {', '.join(failed)}." if failed else ""
        return f"Kept: {done.get('keep', 'none')}. Ended: {len(done.get('end', ())) - len(failed)}.{left}"

    return common.act(work, f"{PATH}/{found.seq}", lambda refused: _doubles(found, refused))


def _decided(remote: str, work: Callable[[str, str, str], str]) -> Response:
    """Do something with the rows of a form; go on at the row where it is one, at the list where there are more."""
    form, name = common.fields(), whose.remote_of(remote).name
    rows = form.get("row", [])
    one = whose.find_row(rows[0]) if len(rows) == 1 else None
    then = f"{PATH}/{one.seq}" if one is not None else f"{REMOTES}/{name}/aside"

    def again(found: Problem) -> Response:
        return _page(one, found) if one is not None else _list(name, found)

    return common.act(lambda: work(name, " ".join(rows), common.field(form, "reason")), then, again)


def _list(remote: str, found: Problem | None = None) -> Response:
    asked = common.asked(f"{REMOTES}/{remote}/aside", whose.ASIDE)
    section = whose.remote_of(remote)
    rows, after = whose.put_aside(section, asked)
    more = listing.next_of(asked, after) if after is not None else ""
    values = {"remote": section.name, "rows": rows, "chosen": dict(asked.filters), "more": more}
    return common.render("aside.html", "remotes", found, **values)


def _page(row: Row, found: Problem | None = None) -> Response:
    made = web().service.store.read(caller().tenant, partial(_attempts, row=row))
    return common.render("row.html", "remotes", found, row=row, attempts=made, is_aside=row.state in aside.ASIDE)


def _attempts(tx: Tx, row: Row) -> tuple[attempts.Attempt, ...]:
    return tuple(one for one in attempts.of(tx, row.aggregate) if one.seq == row.seq)


def _doubles(row: Row, found: Problem | None = None) -> Response:
    line: dict[str, Any] = duplicates.look(web().service, row.endpoint, row.aggregate)
    return common.render("duplicates.html", "remotes", found, row=row, line=line)
