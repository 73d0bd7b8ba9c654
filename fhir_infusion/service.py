"""The one object handed to every action: what it works with, and nothing it could reach by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fhir_infusion.config import Settings
from fhir_infusion.store import Store
from fhir_infusion.translator import Translator


@dataclass(frozen=True, slots=True)
class Service:
    """``clock`` returns an aware UTC datetime, ``new_id`` a new resource id.

    ``dialect`` is the overlay in which resources are given and taken here, empty where that is how they are kept.
    ``ahead`` holds what was read of the resources of a transaction before it began (``actions.reading.Ahead``), by the
    ``id()`` of each: it serves for this very object only.
    """

    store: Store
    translator: Translator
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    settings: Settings
    dialect: str = ""
    ahead: Mapping[int, Any] = field(default_factory=dict)
