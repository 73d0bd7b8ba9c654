"""The source that documents become: what it leaves to the interpreter or does twice, no result would show."""

from __future__ import annotations

import pytest

from tests import compiled_write
from tests.compiled_write import COMPILED, DOCUMENTS, SHIPPED, compiled

READ_AND_RUN_AGAIN = "read what has changed, then run: python -m tests.compiled_write"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_small_document_becomes_the_source_that_was_looked_at(name: str):
    assert compiled(name) == (COMPILED / f"{name}.txt").read_text(encoding="utf-8"), READ_AND_RUN_AGAIN


def test_the_shipped_documents_become_as_much_source_as_was_looked_at():
    assert compiled_write.shipped() == SHIPPED.read_text(encoding="utf-8"), READ_AND_RUN_AGAIN


def test_nothing_else_stands_beside_them():
    assert {path.name for path in COMPILED.iterdir()} == {SHIPPED.name, *(f"{name}.txt" for name in DOCUMENTS)}
