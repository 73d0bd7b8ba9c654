"""The mutants of a module: each differs from it in one node of the syntax tree.

What is not mutated: annotations, decorators, docstrings, what only a type checker reads, text with a blank in it or with
a stop at its end (the wording of a message), the fixed parts of f-strings, what variables of compiled text are called (``source.name(…, "x")``),
and arguments that only guard or tune (``strict``, ``maxsize``).
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change; ``number`` counts the changes of the file, ``first`` to ``last`` are the lines of its statement."""

    file: str
    number: int
    line: int
    first: int
    last: int
    where: str
    operator: str
    before: str
    after: str

    def __str__(self) -> str:
        """Say what was changed and where."""
        return f"{self.file}:{self.line} {self.operator} in {self.where}: {self.before} -> {self.after}"

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What stays where lines move."""
        return self.file, self.where, self.operator, self.before, self.after


class _Site(NamedTuple):
    """A node, by its holder; the change puts ``after`` into its place."""

    holder: ast.AST
    name: str
    position: int | None
    operator: str
    before: ast.AST
    after: ast.AST
    where: str
    statement: ast.stmt


_Change: TypeAlias = tuple[str, ast.AST]
"""The operator's name and what comes instead of a node."""

_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}

_COMPUTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}

_TOP: Final = "the module"
_CALLED: Final = {"any": "all", "all": "any", "min": "max", "max": "min"}

_METHODS: Final = {
    name: other
    for pair in (("startswith", "endswith"), ("removeprefix", "removesuffix"), ("partition", "rpartition"))
    for name, other in (pair, pair[::-1])
}

_UNTOUCHED_FIELDS: Final = {"annotation", "returns", "decorator_list", "ctx", "type_comment", "type_params"}
_UNTOUCHED_NAMES: Final = {"__all__", "__slots__"}
_UNTOUCHED_ARGUMENTS: Final = {"strict", "maxsize"}
_JOINED: Final = (ast.List, ast.Tuple, ast.JoinedStr, ast.ListComp)


def mutants(text: str, file: str) -> list[Mutant]:
    """Return every mutant of a module's text.

    Raises:
        SyntaxError: the text is not Python.
    """
    return [_told(site, number, file) for number, site in enumerate(_sites(ast.parse(text)))]


def mutated(text: str, mutant: Mutant) -> ast.Module:
    """Return the tree of the module with the change made."""
    tree = ast.parse(text)
    for number, site in enumerate(_sites(tree)):
        if number == mutant.number:
            after = ast.copy_location(site.after, site.before)
            if site.position is None:
                setattr(site.holder, site.name, after)
            else:
                getattr(site.holder, site.name)[site.position] = after
            return ast.fix_missing_locations(tree)
    raise LookupError(f"{mutant.file}: there is no change {mutant.number}")


def _told(site: _Site, number: int, file: str) -> Mutant:
    body = getattr(site.statement, "body", None)
    first = site.statement.lineno
    last = max(first, body[0].lineno - 1) if body else site.statement.end_lineno or first
    line = getattr(site.before, "lineno", first)
    before, after = (" ".join(ast.unparse(node).split()) for node in (site.before, site.after))
    return Mutant(file, number, line, first, last, site.where, site.operator, before, after)


def _sites(tree: ast.Module) -> Iterator[_Site]:
    yield from _below(tree, _TOP, ast.Pass(lineno=1, end_lineno=1))


def _below(holder: ast.AST, where: str, statement: ast.stmt) -> Iterator[_Site]:
    for name, value in ast.iter_fields(holder):
        if name in _UNTOUCHED_FIELDS:
            continue
        several = isinstance(value, list)
        for position, node in enumerate(value if several else [value]):
            if not isinstance(node, ast.AST) or _untouched(holder, name, node, position):
                continue
            own = node if isinstance(node, ast.stmt) else statement
            for operator, after in _variants(holder, name, node):
                yield _Site(holder, name, position if several else None, operator, node, after, where, own)
            yield from _below(node, _inner(node, where), own)


def _inner(node: ast.AST, where: str) -> str:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return where
    return node.name if where == _TOP else f"{where}.{node.name}"


def _untouched(holder: ast.AST, name: str, node: ast.AST, position: int) -> bool:
    """Whether a node is left alone with all that is in it."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):  # a docstring
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.Assign(targets=[ast.Name(id=name_bound)]):
            return name_bound in _UNTOUCHED_NAMES
        case ast.keyword(arg=argument):
            return argument in _UNTOUCHED_ARGUMENTS
    return _says_nothing(holder, name, node, position)


def _says_nothing(holder: ast.AST, name: str, node: ast.AST, position: int) -> bool:
    """Whether a node is fixed text, a type for the checker, or what a variable of compiled text is called."""
    match holder:
        case ast.JoinedStr():
            return isinstance(node, ast.Constant)
        case ast.Call(func=ast.Name(id="cast")):
            return name == "args" and position == 0
        case ast.Call(func=ast.Attribute(attr="name" | "variable")):
            return isinstance(node, ast.Constant)
        case _:
            return False


def _variants(holder: ast.AST, name: str, node: ast.AST) -> Iterator[_Change]:
    """Give the changes of one node, which is the member ``name`` of its holder."""
    yield from _of_logic(node)
    yield from _of_values(node)
    if name == "func":
        yield from _of_calls(node)
    if isinstance(node, ast.stmt):
        yield from _of_statements(node)
    decides = (name == "test" and isinstance(holder, ast.If | ast.IfExp | ast.While)) or name == "ifs"
    if decides and isinstance(node, ast.expr) and not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        yield "condition negated", ast.UnaryOp(ast.Not(), node)


def _of_logic(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                changed = copy.deepcopy(node)
                changed.ops[index] = _COMPARED[type(op)]()
                yield "comparison", changed
        case ast.BoolOp(op=op, values=values):
            yield "boolean", ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "negation removed", operand


def _is_wording(text: str) -> bool:
    return any(character.isspace() for character in text) or (text[:1].isupper() and text[-1:] == ".")


def _of_values(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTED and not _joins(left, right):
            yield "arithmetic", ast.BinOp(left, _COMPUTED[type(op)](), right)
        case ast.Constant(value=bool() as value):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield "constant", ast.Constant(value + 1)
        case ast.Constant(value=str() as value) if not _is_wording(value):
            is_number = value[-1:].isdecimal()
            yield "constant", ast.Constant(value[:-1] + str((int(value[-1]) + 1) % 10) if is_number else value + "X")


def _of_calls(node: ast.AST) -> Iterator[_Change]:
    match node:
        case ast.Name(id=called) if called in _CALLED:
            yield "another function", ast.Name(_CALLED[called], ast.Load())
        case ast.Attribute(value=value, attr=attr) if attr in _METHODS:
            yield "another function", ast.Attribute(value, _METHODS[attr], ast.Load())


def _of_statements(node: ast.stmt) -> Iterator[_Change]:
    match node:
        case ast.Return(value=ast.Constant(value=None)):
            pass
        case ast.Return(value=ast.expr()):
            yield "nothing returned", ast.Return(ast.Constant(None))
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in _COMPUTED and not _joins(value):
            yield "arithmetic", ast.AugAssign(target, _COMPUTED[type(op)](), value)
    if _is_deletable(node):
        yield "statement deleted", ast.Pass()


def _is_deletable(node: ast.stmt) -> bool:
    """Whether a statement can be left out without leaving out a name that is read later."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)
    return isinstance(node, ast.Expr | ast.Raise | ast.Continue | ast.Break | ast.AugAssign | ast.Delete)


def _joins(*operands: ast.expr) -> bool:
    """Whether text or lists are joined, where any other operator only fails."""
    return any(
        isinstance(one, _JOINED) or (isinstance(one, ast.Constant) and isinstance(one.value, str)) for one in operands
    )
