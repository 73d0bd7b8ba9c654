"""What an answer is called where a word must do: in a log line, a status, an error. No peer chose any of it."""

from __future__ import annotations


def word(reply: object) -> str:
    """Return what is known to be wrong, else why it came to nothing, else its kind in lower case."""
    return getattr(reply, "code", "") or getattr(reply, "why", "") or type(reply).__name__.lower()
