"""The plan of a mapping document: paths resolved and typed, as two trees over the same leaves.

Reading walks the FHIR tree and sets record fields; writing walks the internal tree and sets FHIR elements. Fragments
on a single element are inlined; each list whose elements are mapped one by one has a ``Scope`` of its own, and paths
are relative to the nearest scope. The interpreter and the compiler work from this plan and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fhir_infusion.mapping.code_tables import Recoding
from fhir_infusion.mapping.codecs import PLAIN, Codec
from fhir_infusion.mapping.document import Mark
from fhir_infusion.mapping.paths import Condition, FStep, IStep

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True, eq=False)
class Leaf:
    """One place where a value moves: a primitive, a list of primitives taken whole, or a quantity.

    ``rivals`` are all the places of the same record field, this one among them, in the order in which writing tries
    them.
    """

    internal: tuple[IStep, ...]
    fhir: tuple[FStep, ...]
    codec: Codec
    conditions: tuple[Condition, ...]
    mark: Mark
    pair: str
    each: bool = False
    warn: str = ""
    rivals: list[Leaf] = field(default_factory=list)

    @property
    def carried(self) -> bool:
        """Whether the value rides in an extension."""
        return any(step.name == "extension" for step in self.fhir)


@dataclass(slots=True, eq=False)
class Items:
    """A list whose elements are mapped one by one through ``scope``.

    ``mode`` is ``many`` where the list must have two or more elements, ``rest`` where the first has its own place.
    ``follow`` names the type where each FHIR element is a reference to a contained resource; the contained resource is
    then the element.
    """

    internal: tuple[IStep, ...]
    fhir: tuple[FStep, ...]
    scope: Scope
    conditions: tuple[Condition, ...]
    mark: Mark
    pair: str
    mode: str = "list"
    follow: str = ""
    warn: str = ""
    rivals: list[Items] = field(default_factory=list)
    member: FMember | None = None
    owner: IMember | None = None

    def default_id(self, position: int) -> str:
        """Return the id of the contained resource behind an element whose record names none."""
        return f"{self.internal[-1].name.replace('_', '-')}-{position + 1}"


@dataclass(slots=True, eq=False)
class Slice:
    """The elements of an array that satisfy a criterion: one (``obj``) or all (``items``).

    ``constants`` are the paths and values that writing a new element sets, so that it satisfies the criterion.
    """

    step: FStep
    type: str
    obj: FObj | None = None
    items: Items | None = None
    constants: tuple[tuple[tuple[str, ...], str], ...] = ()


@dataclass(slots=True, eq=False)
class Follow:
    """A reference followed into a contained resource.

    ``owner`` and ``key`` name the record object whose key is the contained id. Without an owner the reference is
    mapped as well and holds the id.
    """

    type: str
    obj: FObj
    owner: tuple[IStep, ...] | None = None
    key: str = ""

    @property
    def default_id(self) -> str:
        """Return the id of the contained resource where its record object names none."""
        return self.owner[-1].name.replace("_", "-") if self.owner else ""


@dataclass(slots=True, eq=False)
class FMember:
    """What a document says of one member of a FHIR object."""

    name: str
    type: str
    is_list: bool
    leaves: list[Leaf] = field(default_factory=list)
    obj: FObj | None = None
    follows: dict[str, Follow] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    rest: list[Items] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class FObj:
    """What a document says of one FHIR object: its members, what is always there, what is dropped and why."""

    type: str
    members: dict[str, FMember] = field(default_factory=dict)
    always: dict[str, Any] = field(default_factory=dict)
    drops: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class IMember:
    """What a document says of one field of a record object.

    ``only`` maps a lone element of a list, or with ``first`` the first element of any.
    """

    name: str
    leaves: list[Leaf] = field(default_factory=list)
    items: list[Items] = field(default_factory=list)
    obj: IObj | None = None
    only: IMember | None = None
    first: bool = False
    follow: tuple[tuple[FStep, ...], Follow] | None = None
    const: Any = None
    drop: str = ""

    @property
    def in_use(self) -> bool:
        """Whether anything is said of the field."""
        return bool(self.leaves or self.items or self.obj or self.only or self.drop) or self.const is not None


@dataclass(slots=True, eq=False)
class IObj:
    """What a document says of one record object."""

    type: str
    members: dict[str, IMember] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Scope:
    """Paths start here.

    ``plain``: the element is a simple value, held by the single leaf with an empty internal path.
    ``guarded``: it stands below a member whose meaning must not become residue. Lists of the same fragment share one.
    ``recoding`` moves system and code of elements that are codings, after all else was read and before it is written.
    """

    name: str
    fobj: FObj
    iobj: IObj
    key: str = ""
    plain: bool = False
    number: int = 0
    guarded: bool = False
    recoding: Recoding | None = None


@dataclass(slots=True, eq=False)
class Plan:
    """One document, resolved for one release.

    ``drops``: there are FHIR elements that it leaves out with a reason. ``aliases`` are the names of systems in use.
    """

    document: str
    internal_type: str
    fhir_type: str
    release: str
    root: Scope
    guarded: frozenset[str]
    scopes: list[Scope] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=dict)
    readings: frozenset[str] = frozenset()
    drops: bool = False
    aliases: frozenset[str] = frozenset()


def alike(scope: Scope) -> frozenset[str]:
    """Return the members that are the same on both sides: same name, same value, no condition.

    An element that has no other members is its own translation. Empty for what begins or ends a resource.
    """
    if scope.number == 0 or scope.plain or scope.fobj.always or scope.recoding is not None:
        return frozenset()
    return frozenset(name for name, member in scope.fobj.members.items() if _is_alike(name, member))


def _is_alike(name: str, member: FMember) -> bool:
    if member.obj is not None or member.slices or member.rest or len(member.leaves) != 1:
        return False
    leaf = member.leaves[0]
    return (
        leaf.codec is PLAIN
        and leaf.internal == (IStep(name),)
        and len(leaf.rivals) == 1
        and not (leaf.each or leaf.conditions or leaf.warn)
    )


def leaves_of(member: IMember) -> Iterator[Leaf | Items]:
    """Return every leaf and list below a record field."""
    yield from member.leaves
    yield from member.items
    if member.obj is not None:
        for inner in member.obj.members.values():
            yield from leaves_of(inner)
