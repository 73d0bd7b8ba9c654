"""What the mapping tests share: the shipped documents, loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fhir_infusion.config import Settings, mappings_dir, read_texts
from fhir_infusion.translator import load_library

if TYPE_CHECKING:
    from fhir_infusion.mapping.library import Library


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """The shipped documents."""
    return read_texts(mappings_dir(), ".yaml")


@pytest.fixture(scope="session")
def library() -> Library:
    """The shipped documents, checked and compiled."""
    return load_library(Settings())
