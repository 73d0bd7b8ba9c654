"""Why a resource cannot be sent as it is: what a person has to mend, or what may be over the next time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from fhir_infusion.sync.replies import Trouble


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a resource cannot be sent as it is: until a person acts. ``alert`` is the alarm, where it is not the code.

    ``rests``: it stays put aside although its stop has arrived.
    """

    state: Literal["dead", "duplicate"]
    code: str
    alert: str = ""
    rests: bool = False

    @property
    def alarm(self) -> str:
        """Return the code of the alarm."""
        return self.alert or self.code


Obstacle: TypeAlias = Blocked | Trouble
