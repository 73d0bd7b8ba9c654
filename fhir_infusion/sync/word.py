"""What an answer is called where a word must do: in a log line, a status, an error. No peer chose any of it."""

from __future__ import annotations


def word(reply: object) -> str:
    """Return why it came to nothing, else its kind in lower case: for a person."""
    return getattr(reply, "why", "") or type(reply).__name__.lower()


def code_of(reply: object) -> str:
    """Return the code of what is known to be wrong, else the word."""
    return getattr(reply, "code", "") or word(reply)
