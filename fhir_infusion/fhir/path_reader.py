"""The part of FHIRPath that names places in a resource, read: what the paths of a FHIRPath Patch are made of.

https://hl7.org/fhir/R4/fhirpatch.html: "simple FHIRPath" is names and indexes; clients also write ``where``, ``first``,
``last``, ``ofType``, ``as`` and ``extension``. That is a grammar of a page:

    path      = [Type "."] step {"." step}
    step      = name | "where(" test {"and" test} ")" | "extension(" text ")" | "ofType(" Type ")" | "as(" Type ")"
              | "first()" | "last()", each followed by any number of "[" number "]"
    test      = path ("=" | "!=") literal | path ".exists()" | path ".exists().not()"
    literal   = 'text' | number | true | false

Evaluators of all of FHIRPath give values, not their places, and turn decimals into other numbers on the way; a patch
needs the place, and every digit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NoReturn

from fhir_infusion.fhir.patching import malformed
from fhir_infusion.records.number import beyond_limits

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63}|`[A-Za-z_][A-Za-z0-9_]{0,63}`)|(?P<number>-?[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<text>'(?:[^'\\]|\\.)*')|(?P<sign>!=|[.()\[\]=]))"
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_LONGEST: Final = 1_000
_DEEPEST: Final = 4
_TYPED: Final = frozenset({"ofType", "as"})
_WITHOUT_ARGUMENT: Final = {"first": 0, "last": -1}

Literal = str | bool | Decimal


@dataclass(frozen=True, slots=True)
class Name:
    """The children of this name; of a choice the name is without its type (``dose``)."""

    name: str


@dataclass(frozen=True, slots=True)
class At:
    """The one at this place, counted from 0; -1 is the last."""

    index: int


@dataclass(frozen=True, slots=True)
class OfType:
    """Those of this type."""

    type: str


@dataclass(frozen=True, slots=True)
class Test:
    """Whether something at ``path`` equals ``literal`` (None: is there at all), or, ``negated``, that not."""

    path: Path
    literal: Literal | None
    negated: bool


@dataclass(frozen=True, slots=True)
class Where:
    """Those for which every test holds."""

    tests: tuple[Test, ...]


Step = Name | At | OfType | Where
Path = tuple[Step, ...]


def read(text: str, place: str) -> Path:
    """Return the steps of a path.

    Raises:
        Refused: 400, it is no path of this grammar; ``place`` is where it stands.
    """
    reader = _Reader(_tokens(text, place), place)
    path = reader.path(0)
    if reader.kind:
        reader.fail()
    return path


def _tokens(text: str, place: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text) <= _LONGEST:
        found = _TOKEN.match(text, at)
        if found is None:
            _fail(place)
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    if not tokens:
        _fail(place)
    return tokens


@dataclass(slots=True)
class _Reader:
    """Reads tokens one after another."""

    tokens: list[tuple[str, str]]
    place: str
    at: int = 0

    @property
    def kind(self) -> str:
        """What the next token is; empty at the end."""
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    @property
    def sign(self) -> str:
        """The next token where it is a sign or a name, else empty."""
        return self.tokens[self.at][1] if self.kind in {"sign", "name"} else ""

    def fail(self) -> NoReturn:
        """Raise that this is no path."""
        _fail(self.place)

    def take(self, kind: str) -> str:
        """Return the next token, which must be of this kind."""
        if self.kind != kind:
            self.fail()
        self.at += 1
        return self.tokens[self.at - 1][1]

    def expect(self, sign: str) -> None:
        """Pass over this sign."""
        if self.sign != sign:
            self.fail()
        self.at += 1

    def path(self, depth: int) -> Path:
        """Read steps with dots between them; ``depth`` counts the tests around."""
        if depth > _DEEPEST:
            self.fail()
        steps = self.step(depth)
        while self.sign == ".":
            mark = self.at
            self.at += 1
            if depth and self.sign == "exists":
                self.at = mark
                break
            steps += self.step(depth)
        return tuple(steps)

    def step(self, depth: int) -> list[Step]:
        """Read one step and the indexes after it."""
        name = self.take("name")
        steps: list[Step] = self.call(name, depth) if self.sign == "(" else [Name(name.strip("`"))]
        while self.sign == "[":
            self.at += 1
            number = self.take("number")
            if not number.isdigit() or len(number) > 9:
                self.fail()
            steps.append(At(int(number)))
            self.expect("]")
        return steps

    def call(self, function: str, depth: int) -> list[Step]:
        """Read the arguments of a function."""
        self.expect("(")
        steps: list[Step]
        if function == "where":
            steps = [Where(self.tests(depth + 1))]
        elif function == "extension":
            steps = [Name("extension"), Where((Test((Name("url"),), _unquoted(self.take("text")), negated=False),))]
        elif function in _TYPED:
            name = self.take("name")
            if self.sign == ".":  # FHIR.Quantity
                self.at += 1
                name = self.take("name")
            steps = [OfType(name)]
        elif function in _WITHOUT_ARGUMENT:
            steps = [At(_WITHOUT_ARGUMENT[function])]
        else:
            self.fail()
        self.expect(")")
        return steps

    def tests(self, depth: int) -> tuple[Test, ...]:
        """Read tests with ``and`` between them."""
        found = [self.test(depth)]
        while self.sign == "and":
            self.at += 1
            found.append(self.test(depth))
        return tuple(found)

    def test(self, depth: int) -> Test:
        """Read one test."""
        path = self.path(depth)
        if self.sign == ".":
            self.at += 1
            self.empty_call("exists")
            negated = self.sign == "."
            if negated:
                self.at += 1
                self.empty_call("not")
            return Test(path, None, negated)
        negated = self.sign == "!="
        self.expect("!=" if negated else "=")
        return Test(path, self.literal(), negated)

    def empty_call(self, function: str) -> None:
        """Pass over a call without arguments."""
        for sign in (function, "(", ")"):
            self.expect(sign)

    def literal(self) -> Literal:
        """Read a text, a number or a truth value."""
        if self.kind == "text":
            return _unquoted(self.take("text"))
        if self.kind == "number":
            number = self.take("number")
            if beyond_limits(number):
                self.fail()
            return Decimal(number)
        if self.sign not in {"true", "false"}:
            self.fail()
        return self.take("name") == "true"


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


def _fail(place: str) -> NoReturn:
    accepted = "names, [index], first(), last(), where(path = 'text'), ofType(Type) and extension('url')"
    raise malformed(place, "not a path of the kind that is taken", accepted)
