"""Bodies that are no strict JSON within the limits, made of one that is, with the issue code of the refusal (400)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "JaneQPatient"


def first(member: str) -> Callable[[bytes], bytes]:
    """Put a member before all others."""
    return lambda body: body.replace(b"{", b"{" + member.encode() + b",", 1)


C = '"extra"'
BODIES: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("not JSON", lambda _: f"{CANARY} {{".encode(), "structure"),
    ("XML", lambda _: b"<MedicationRequest/>", "structure"),
    ("empty body", lambda _: b"", "structure"),
    ("byte order mark", lambda body: b"\xef\xbb\xbf" + body, "structure"),
    ("UTF-16", lambda body: body.decode().encode("utf-16"), "structure"),
    ("trailing bytes", lambda body: body + CANARY.encode(), "structure"),
    ("cut in the middle", lambda body: body[: len(body) // 2], "structure"),
    ("lone surrogate", first(f'{C}:"\\ud800"'), "structure"),
    ("overlong UTF-8", lambda body: first(f'{C}:"@"')(body).replace(b"@", b"\xc0\xaf", 1), "structure"),
    ("NaN", first(f"{C}:NaN"), "structure"),
    ("Infinity", first(f"{C}:-Infinity"), "structure"),
    ("top-level array", lambda body: b"[" + body + b"]", "structure"),
    ("top-level number", lambda _: b"5", "structure"),
    ("top-level text", lambda _: f'"{CANARY}"'.encode(), "structure"),
    ("duplicate property", first(f"{C}:1,{C}:2"), "structure"),
    ("duplicate property deep", first(f'{C}:{{"a":[{{"b":1,"b":2}}]}}'), "structure"),
    ("40 levels", first(f"{C}:" + '{"a":' * 40 + "1" + "}" * 40), "too-costly"),
    ("nested until the stack ends", lambda _: b'{"a":' * 100_000, "too-costly"),
    ("20,001 elements", first(f'{C}:[{",".join(["1"] * 20_001)}]'), "too-costly"),
    ("string of more than 64 kB", first(f'{C}:"{"x" * 65_537}"'), "too-long"),
    ("number of 19 digits", first(f"{C}:1.234567890123456789"), "too-long"),
    ("huge exponent", first(f"{C}:1e999999999"), "too-costly"),
    ("control character", first(f'{C}:"\\u0000"'), "value"),
]  # fmt: skip
