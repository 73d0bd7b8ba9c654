"""Which modules import which, so that a mutant makes as little as possible be loaded anew."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import CodeType, ModuleType


def modules(root: Path, package: str) -> dict[str, Path]:
    """Return the modules of a package by name."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def dependents(files: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return for each module itself and all that import it, at any distance."""
    imports = {name: _imported(path, files) for name, path in files.items()}
    result = {}
    for name in files:
        found, new = {name}, {name}
        while new:
            new = {other for other, needed in imports.items() if needed & new} - found
            found |= new
        result[name] = found
    return result


def _imported(path: Path, files: Mapping[str, Path]) -> set[str]:
    names: set[str] = set()
    for node in _running(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & files.keys()


def _running(node: ast.AST) -> Iterable[ast.AST]:
    """Walk through what runs, not what only a type checker reads."""
    for inner in ast.iter_child_nodes(node):
        if not (isinstance(inner, ast.If) and isinstance(inner.test, ast.Name) and inner.test.id == "TYPE_CHECKING"):
            yield inner
            yield from _running(inner)


def forget(names: Iterable[str]) -> None:
    """Let modules be loaded anew; the attribute of their package goes too, since ``from package import`` looks there."""
    for name in names:
        sys.modules.pop(name, None)
        package, _, last = name.rpartition(".")
        if package in sys.modules and last in vars(sys.modules[package]):
            delattr(sys.modules[package], last)


class _Loader(importlib.machinery.SourceFileLoader):
    """Gives the code of a mutant for its file; nothing is written beside it."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        code: CodeType = compile(self._tree, self.path, "exec", dont_inherit=True)
        return code


class Finder:
    """Finds one module as its mutant."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        """Take the module, its file and the tree that is loaded in its stead."""
        self._name, self._path, self._tree = name, str(path), tree

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Answer for that module only."""
        del path, target
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=_Loader(name, self._path, self._tree))
