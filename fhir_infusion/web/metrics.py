"""A few counters in the Prometheus text format (version 0.0.4); no label holds anything that was sent.

Labels are the route template, the method and the status: all of them ours, so that their number is bounded.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one process. Safe to use from several threads."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._milliseconds: Counter[str] = Counter()

    def count(self, method: str, route: str, status: int, milliseconds: int) -> None:
        """Count one finished request."""
        with self._lock:
            self._requests[method, route, status] += 1
            self._milliseconds[route] += milliseconds

    def text(self, gauges: Mapping[str, tuple[str, int | str]]) -> str:
        """Return everything as text. ``gauges``: sample (a name with its labels) to its help and its value now."""
        with self._lock:
            requests = sorted(self._requests.items())
            milliseconds = sorted(self._milliseconds.items())
        lines = [
            "# HELP fhir_infusion_requests_total Requests answered.",
            "# TYPE fhir_infusion_requests_total counter",
            *(
                f'fhir_infusion_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
                for (method, route, status), count in requests
            ),
            "# HELP fhir_infusion_request_milliseconds_total Time spent answering.",
            "# TYPE fhir_infusion_request_milliseconds_total counter",
            *(f'fhir_infusion_request_milliseconds_total{{route="{route}"}} {total}' for route, total in milliseconds),
        ]
        told: set[str] = set()
        for sample, (words, value) in sorted(gauges.items()):
            name = sample.partition("{")[0]
            if name not in told:
                lines += [f"# HELP {name} {words}", f"# TYPE {name} gauge"]
                told.add(name)
            lines.append(f"{sample} {value}")
        return "\n".join(lines) + "\n"
