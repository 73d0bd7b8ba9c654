"""What there is to read: the README, the guides, and the manuals that are shipped with what they explain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fhir_infusion.config import shipped
from fhir_infusion.web.docs import markdown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

_SHIPPED: Final = {"readme": "README.md", "mappings": "mappings/README.md", "definitions": "profiles/README.md"}
_IN_PACKAGE: Final = {"findings": "records/README.md"}


@dataclass(frozen=True, slots=True)
class Document:
    """A text in Markdown. ``path`` is its place in the source tree, from which its links go."""

    name: str
    path: str
    source: str

    @property
    def title(self) -> str:
        """The words of its first heading."""
        return markdown.title(self.source)

    @property
    def summary(self) -> str:
        """Its first paragraph, in plain words."""
        return markdown.summary(self.source)


@cache
def documents() -> Mapping[str, Document]:
    """Return the texts by name: the README, the guides, then the manuals."""
    package = files("fhir_infusion")
    guides = sorted(one.name for one in (package / "guides").iterdir() if one.name.endswith(".md"))
    readme, *manuals = ((name, path, shipped(path).read_text(encoding="utf-8")) for name, path in _SHIPPED.items())
    of_package = {**{one.removesuffix(".md"): f"guides/{one}" for one in guides}, **_IN_PACKAGE}
    places = {name: (package / path, f"fhir_infusion/{path}") for name, path in of_package.items()}
    own = ((name, path, place.read_text(encoding="utf-8")) for name, (place, path) in places.items())
    return {name: Document(name, path, source) for name, path, source in (readme, *own, *manuals)}


@cache
def rendered(name: str) -> Markup:
    """Return a text as HTML."""
    known = documents()
    pages = {one.path: f"/docs/{one.name}" for one in known.values()}
    return markdown.render(known[name].source, known[name].path, pages)
