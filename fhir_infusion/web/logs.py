"""Logs as JSON lines that cannot hold patient data: every member is one of ours, and no message of others is printed.

An event of the web service carries its members in ``extra={"line": {...}}``; other modules of ours log constant words
with the members in ``_MEMBERS``. Of a record from anywhere else (a library, or
an exception) only where it came from is printed: logger, level, file and line, type of the exception. Its text may
hold a value of the input, and is never printed, at any level.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, TextIO

_MEMBERS: Final = ("endpoint", "resource", "code", "version")
OURS: Final = "fhir_infusion.web"
logger: Final = logging.getLogger(OURS)
_written: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the members of our own record, or the place of a foreign one."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        members = getattr(record, "line", None)
        if isinstance(members, dict):
            line.update(members)
        elif record.name.startswith("fhir_infusion."):
            # Our own modules log constant words, and opaque members by these names.
            line.update(event=str(record.msg), logger=record.name)
            line.update({name: vars(record)[name] for name in _MEMBERS if name in vars(record)})
        else:
            line.update(event="library", logger=record.name, place=f"{record.module}:{record.lineno}")
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["stack"] = [
                f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return _written(line)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to ``stream`` (standard error) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries are heard where something is wrong; what we do ourselves, as the settings say.
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.getLogger("fhir_infusion").setLevel(level.upper())
    logging.captureWarnings(capture=True)


def event(name: str, level: int = logging.INFO, *, failure: BaseException | None = None, **members: object) -> None:
    """Log one event of ours. ``members`` must be opaque ids, names of ours, counts and times."""
    if not logger.isEnabledFor(level):
        return
    exc_info = (type(failure), failure, failure.__traceback__) if failure is not None else None
    # Not by logger.log, which looks through the stack for the place of the call: which costs more than the line.
    record = logging.LogRecord(OURS, level, __file__, 0, name, (), exc_info)
    vars(record)["line"] = {"event": name, **members}
    logger.handle(record)
