"""gunicorn's log as our JSON lines: what happened, never with which values."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

from gunicorn.glogging import Logger

from fhir_infusion.web import logs

_FIRST_WORDS = re.compile(r"(?:[A-Za-z]+ ?){1,3}")


class QuietLogger(Logger):
    """The class that gunicorn logs through.

    gunicorn puts request lines and header values into its messages; of each message only the first three words are
    kept: what stands there are gunicorn's own words.
    """

    def setup(self, cfg: Any) -> None:
        """Send everything to the root logger, which ``logs`` has configured."""
        self.cfg = cfg
        for log in (self.error_log, self.access_log):
            log.handlers[:] = []
            log.propagate = True
        self.error_log.setLevel(logging.getLogger().level)

    def log(self, lvl: Any, msg: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002  gunicorn's signature
        """Log one message without its values."""
        found = _FIRST_WORDS.match(str(msg))
        words = found[0].strip() if found else ""
        if self.error_log.isEnabledFor(lvl):
            logs.event("gunicorn", lvl, words=words, failure=sys.exc_info()[1])

    def critical(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a critical message."""
        self.log(logging.CRITICAL, msg, *args, **kwargs)

    def error(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error."""
        self.log(logging.ERROR, msg, *args, **kwargs)

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log an error with the place where it was raised."""
        self.log(logging.ERROR, msg, *args, **kwargs)

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a warning."""
        self.log(logging.WARNING, msg, *args, **kwargs)

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Pass over: what gunicorn tells of itself is of use at debug level only."""
        self.log(logging.DEBUG, msg, *args, **kwargs)

    def debug(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log a message for finding faults."""
        self.log(logging.DEBUG, msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Pass over: each request is logged by the application, by its route."""

    def reopen_files(self) -> None:
        """Pass over: standard error is not reopened."""

    def close_on_exec(self) -> None:
        """Pass over: there are no files."""
