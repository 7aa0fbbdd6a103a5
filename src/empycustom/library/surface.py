"""What a library uses of another project's package that is not there, and whether its function returns anything.

It is read in the text of the library, which is not run. What is not certain is not reported: a name counts as a frame, or as what
comes from one, where all that it is bound to is that.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, cast

from empycustom.text import syntax_tree

_CATCHING = {"AttributeError", "ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_SEQUENCES = {"list", "tuple", "sorted", "reversed", "iter", "set"}  # builtins that give the elements of what they get
_LIKELY = 0.75  # how similar names are, from 0 to 1
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"


@dataclass(frozen=True)
class Surface:
    """What there is of a package that libraries of a dialect import.

    ``modules`` are the names in the package (``""``) and in its modules, ``members`` those of its classes. ``gives`` are members
    whose call returns an object of a class, or, ``"[Class]"``, several. ``given`` is the class of what functions get,
    ``function`` is called where nothing is set. ``left_out`` says more about names that are not there, ``unmade`` about classes
    that libraries cannot make objects of. ``texts`` are classes of texts, ``enums`` the members that are enums, with the names in
    each, ``keywords`` the names of arguments, by class and method.
    """

    package: str
    modules: Mapping[str, frozenset[str]]
    members: Mapping[str, frozenset[str]]
    gives: Mapping[str, str]
    given: str
    function: str
    left_out: Mapping[str, str]
    unmade: Mapping[str, str]
    texts: frozenset[str] = frozenset()
    enums: Mapping[str, frozenset[str]] = field(default_factory=dict)
    keywords: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    @property
    def known(self) -> frozenset[str]:
        """The members of all classes."""
        return frozenset(chain.from_iterable(self.members.values()))


class Missing(NamedTuple):
    """A use of what is not there: the line, and what is wrong."""

    line: int
    text: str


class Reading:
    """The text of a library: the file ``path``, of which ``function`` is called, of ``class_name`` if that is not None.

    Raises OSError, SyntaxError, ValueError.
    """

    def __init__(self, path: str, function: str, class_name: str | None) -> None:
        with open(path, "rb") as file:
            self._tree = syntax_tree(file.read(), path)
        self._function = _defined(self._tree, function, class_name)
        self._is_method = class_name is not None

    def imports(self, package: str) -> bool:
        """Return whether the library imports the package."""
        return any(f"{name}.".startswith(f"{package}.") for name, _, _ in _imported(self._tree))

    def missing(self, surface: Surface) -> list[Missing]:
        """Return what the library uses and is not there, by line."""
        names = _Names(self._tree, surface)
        found = [*names.missing, *_Uses(self._tree, surface, names, self._frames()).missing]
        return sorted(set(found))

    def _frames(self) -> ast.arg | None:
        """Return the argument of the function that is a frame; None where nobody knows."""
        function = self._function
        if function is None:
            return None
        decorators = {each.id if isinstance(each, ast.Name) else "" for each in function.decorator_list}
        arguments = [*function.args.posonlyargs, *function.args.args]
        if self._is_method and "staticmethod" not in decorators:
            arguments = arguments[1:]
        return arguments[0] if arguments and decorators <= {"staticmethod", "classmethod"} else None

    def line_without_result(self) -> int | None:
        """Return the line of the function where it returns nothing, or None, on all ways; None: it does, or nobody knows."""
        function = self._function
        if function is None or function.decorator_list or isinstance(function.body[-1], ast.Raise):
            return None
        inside = [*_own_nodes(function.body)]
        if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in inside):
            return None
        values = [node.value for node in inside if isinstance(node, ast.Return)]
        is_something = any(
            value is not None and not (isinstance(value, ast.Constant) and value.value is None) for value in values
        )
        return None if is_something else function.lineno


def _defined(tree: Any, name: str, class_name: str | None) -> _Function | None:
    """Return the last definition of a function at the top of a file, or in a class there."""
    body = tree.body
    if class_name is not None:
        classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == class_name]
        body = classes[-1].body if classes else []
    named = [node for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name]
    return named[-1] if named else None


def _imported(tree: Any) -> Iterator[tuple[str, ast.alias | None, ast.stmt]]:
    """Yield the modules that are imported, with the name in them, if one is named, and the statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias, node) for alias in node.names)


def _own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without those of the functions and classes in it."""
    for node in body:
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield from _own_nodes(ast.iter_child_nodes(node))


def _caught(tree: Any) -> set[ast.AST]:
    """Return the nodes whose failure is expected: those in ``try`` with a handler for it."""
    caught: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(_catches(handler) for handler in node.handlers):
            caught.update(chain.from_iterable(map(ast.walk, node.body)))
    return caught


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCHING) for kind in kinds)


class _Names:
    """What the names of a library mean in the package: its classes, and its modules. ``missing`` are imports of others."""

    def __init__(self, tree: Any, surface: Surface) -> None:
        self.classes: dict[str, str] = {}
        self.modules: dict[str, str] = {}  # the name in the package, "" for itself
        self.missing: list[Missing] = []
        self._surface, self._caught = surface, _caught(tree)
        for module, alias, node in _imported(tree):
            if f"{module}.".startswith(f"{surface.package}."):
                self._import(module.partition(".")[2], alias, node)
        for each in ast.walk(tree):  # names that are something else as well mean nothing for sure
            other = each.id if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store) else getattr(each, "name", None)
            if other is not None and not isinstance(each, ast.alias):
                self.classes.pop(other, None)
                self.modules.pop(other, None)

    def _import(self, inside: str, alias: ast.alias | None, node: ast.stmt) -> None:
        surface = self._surface
        if inside not in surface.modules:
            self._miss(node, inside)
        elif alias is None:
            made = [each for each in getattr(node, "names", []) if each.name.partition(".")[0] == surface.package]
            for each in made:
                self.modules[each.asname or surface.package] = inside if each.asname else ""
        elif alias.name in surface.members:
            self.classes[alias.asname or alias.name] = alias.name
        elif not inside and alias.name in surface.modules:
            self.modules[alias.asname or alias.name] = alias.name
        elif alias.name != "*" and alias.name not in surface.modules[inside]:
            self._miss(node, f"{inside}.{alias.name}" if inside else alias.name)

    def _miss(self, node: ast.stmt, name: str) -> None:
        if node not in self._caught:
            self.missing.append(Missing(node.lineno, what_lacks(self._surface, name)))

    def module_of(self, node: ast.AST) -> str | None:
        """Return the module in the package that an expression is, None: it is something else."""
        if isinstance(node, ast.Name):
            return self.modules.get(node.id)
        if isinstance(node, ast.Attribute) and self.module_of(node.value) == "" and node.attr in self._surface.modules:
            return node.attr
        return None

    def class_of(self, node: ast.AST | None) -> str | None:
        """Return the class of the package that an expression, or an annotation, is."""
        if isinstance(node, ast.Name):
            return self.classes.get(node.id)
        if isinstance(node, ast.Attribute) and self.module_of(node.value) is not None and node.attr in self._surface.members:
            return node.attr
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self.classes.get(node.value)
        return None


def _close(name: str, known: Iterable[str]) -> str:
    """Return which of the ``known`` names may be meant, the end of a sentence."""
    close = get_close_matches(name, known, n=1, cutoff=_LIKELY)
    return f"; {close[0]} may be meant" if close else ""


def what_lacks(surface: Surface, name: str) -> str:
    """Return the sentence about a name that the package does not have."""
    advice = next((text for part, text in surface.left_out.items() if part in name.split(".")), "")
    return f"{surface.package} has no {name} here{f': {advice}' if advice else ''}"


class _Uses:
    """The attributes of frames, and of what comes from them, in all functions of a library."""

    def __init__(self, tree: Any, surface: Surface, names: _Names, frame: ast.arg | None) -> None:
        self._surface, self._names, self._frame = surface, names, frame
        self._caught = _caught(tree)
        self._made = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
        self._made |= {
            each.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("hasattr", "getattr", "setattr")
            for each in node.args
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        }
        self.missing: list[Missing] = []
        self._look(tree.body, {})

    def _look(self, body: list[Any], kinds: Mapping[str, str | None]) -> None:
        """Look at what uses names of these kinds, and at the functions in it."""
        for node in _own_nodes(body):
            if isinstance(node, _FUNCTIONS):
                self._enter(node, kinds)
            elif isinstance(node, ast.ClassDef):
                self._look(node.body, kinds)
            elif isinstance(node, ast.Attribute):
                self._use(node, kinds)
            elif isinstance(node, ast.Call):
                self._call(node, kinds)

    def _use(self, node: ast.Attribute, kinds: Mapping[str, str | None]) -> None:
        if node in self._caught or node.attr.startswith("__"):
            return
        module = self._names.module_of(node.value)
        if module is not None:
            if node.attr not in self._surface.modules[module] and node.attr not in self._surface.modules:
                self.missing.append(Missing(node.lineno, what_lacks(self._surface, f"{module}.{node.attr}".lstrip("."))))
            return
        kind = self._kind(node.value, kinds)
        if kind in self._surface.texts and not hasattr(str, node.attr):
            self._lacks(node, what_lacks(self._surface, f"{kind}.{node.attr}") + "; a message is a text")
        elif (names := self._enum(node.value, kinds)) is not None and node.attr not in names:
            self._lacks(node, what_lacks(self._surface, f"{ast.unparse(node.value)}.{node.attr}") + _close(node.attr, names))
        elif kind and kind in self._surface.members and node.attr not in self._surface.known | self._made:
            said = what_lacks(self._surface, f"{kind}.{node.attr}") + _close(node.attr, self._surface.members[kind])
            self._lacks(node, said)

    def _lacks(self, node: Any, said: str) -> None:
        self.missing.append(Missing(node.lineno, f"{ast.unparse(node)[-60:]}: {said}"))

    def _enum(self, node: ast.AST, kinds: Mapping[str, str | None]) -> frozenset[str] | None:
        """Return the names in an enum of a class of the package, None: an expression is something else."""
        if not isinstance(node, ast.Attribute):
            return None
        owner = self._names.class_of(node.value) or self._kind(node.value, kinds)
        return self._surface.enums.get(node.attr) if owner in self._surface.members else None

    def _call(self, node: ast.Call, kinds: Mapping[str, str | None]) -> None:
        """Look at what a call makes, or at the names of the arguments of a method."""
        function, made = node.func, self._names.class_of(node.func)
        if made in self._surface.unmade:
            self.missing.append(Missing(node.lineno, f"{made}(…) cannot be made here: {self._surface.unmade[str(made)]}"))
        if node in self._caught or not isinstance(function, ast.Attribute):
            return
        names = self._surface.keywords.get((str(self._kind(function.value, kinds)), function.attr))
        for each in node.keywords:
            if names is not None and each.arg is not None and each.arg not in names:
                said = f"{function.attr} has no argument {each.arg} here{_close(each.arg, names)}"
                self._lacks(function, said)

    def _enter(self, function: Any, outer: Mapping[str, str | None]) -> None:
        """Look into a function: at its names first, then at what it does with them."""
        arguments = function.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        bound = {
            each.arg: self._surface.given if each is self._frame else self._names.class_of(each.annotation)
            for each in parameters
            if each
        }
        body = [function.body] if isinstance(function, ast.Lambda) else function.body
        kinds = {**outer, **bound}
        stored = {node.id for node in _own_nodes(body) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
        kinds |= dict.fromkeys(stored - {*bound})
        for _ in range(6):  # what comes from a frame, from that, and so on
            kinds |= self._bindings(body, bound, kinds)
        self._look(body, kinds)

    def _bindings(
        self, body: list[Any], given: Mapping[str, str | None], kinds: Mapping[str, str | None]
    ) -> dict[str, str | None]:
        """Return the kinds of names that a function binds: one where all that a name is bound to is of it, else None."""
        found: dict[str, set[str | None]] = {name: {kind} for name, kind in given.items()}
        certain: set[ast.AST] = set()
        for node in _own_nodes(body):
            for target, kind in self._bound(node, kinds):
                certain.add(target)
                found.setdefault(target.id, set()).add(kind)
        for node in _own_nodes(body):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node not in certain:
                found.setdefault(node.id, set()).add(None)
        return {name: next(iter(each)) if len(each) == 1 else None for name, each in found.items()}

    def _bound(self, node: Any, kinds: Mapping[str, str | None]) -> Iterator[tuple[ast.Name, str | None]]:
        """Yield the names that a node binds to something of a kind."""
        if isinstance(node, ast.Assign):
            yield from ((target, self._kind(node.value, kinds)) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and isinstance(node.target, ast.Name) and node.value:
            yield node.target, self._kind(node.value, kinds)
        elif isinstance(node, (ast.For, ast.comprehension)):
            target, source = node.target, cast(Any, node.iter)
            if _is_call(source, {"enumerate"}) and isinstance(target, ast.Tuple) and len(target.elts) == 2:
                target, source = target.elts[1], source.args[0]
            if isinstance(target, ast.Name):
                yield target, _element(self._kind(source, kinds))

    def _kind(self, node: Any, kinds: Mapping[str, str | None]) -> str | None:
        """Return what an expression gives: a class, ``[class]`` for several, None: something else, or nobody knows."""
        if isinstance(node, ast.Name):
            return kinds.get(node.id)
        if isinstance(node, ast.Subscript):
            kind = self._kind(node.value, kinds)
            return kind if isinstance(node.slice, ast.Slice) and _element(kind) else _element(kind)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            kind = self._kind(node.elt, kinds)
            return f"[{kind}]" if kind in self._surface.members else None
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Attribute) and self._kind(node.func.value, kinds) in self._surface.members:
            return self._surface.gives.get(node.func.attr)
        kind = self._kind(node.args[0], kinds) if _is_call(node, {*_SEQUENCES, "next"}) else None
        return _element(kind) if _is_call(node, {"next"}) or _element(kind) is None else kind


def _is_call(node: Any, names: set[str]) -> bool:
    """Return whether an expression calls a function of one of these names, with an argument."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and bool(node.args)


def _element(kind: str | None) -> str | None:
    """Return the kind of the elements of several; None where it is not several."""
    return kind[1:-1] if kind and kind.startswith("[") else None
