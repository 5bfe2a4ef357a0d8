"""
Small wrongs in a module, one at a time: the mutants of a mutation score.

The libraries for this (mutmut, cosmic-ray) leave alone what most of settle's rules are made of:
tables of kinds, members of enums, and which values a record is built from.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Mutant", "mutants_of"]

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SUMS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitOr: ast.BitAnd,
}
OTHER_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
ANNOTATIONS = ("annotation", "returns")

Path = tuple[tuple[str, int | None], ...]
"""From a module to one of its nodes: the fields, and the places in their lists."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed place. *name* says where and what, and stays when other lines move."""

    name: str
    path: Path
    number: int  # of the change, among those of this place

    def of(self, source: str, members: dict[str, list[str]]) -> ast.Module:
        """*source* with the change in it."""
        tree = ast.parse(source)
        _, _, change = list(_changes(_at(tree, self.path), members))[self.number]
        change()
        return ast.fix_missing_locations(tree)


def mutants_of(source: str, members: dict[str, list[str]]) -> Iterator[Mutant]:
    """Every mutant of *source*; *members* are those of the enums that it uses."""
    tree = ast.parse(source)
    named: dict[str, int] = {}
    for path in _places(tree):
        for number, (was, now, _) in enumerate(_changes(_at(tree, path), members)):
            name = f"{_function_of(tree, path)}: {was} → {now}"
            named[name] = named.get(name, 0) + 1
            yield Mutant(name if named[name] == 1 else f"{name} ({named[name]})", path, number)


def _places(tree: ast.Module) -> Iterator[Path]:
    """The way to every node that runs; not to annotations, docstrings or `__all__`."""
    waiting: list[Path] = [()]
    while waiting:
        path = waiting.pop(0)
        node = _at(tree, path)
        yield path
        for field, value in ast.iter_fields(node):
            if field in ANNOTATIONS:
                continue
            for place, child in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(child, ast.AST) and not _is_talk(child):
                    waiting.append((*path, (field, place if isinstance(value, list) else None)))


def _is_talk(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant(value=str())) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case _:
            return False


def _at(tree: ast.AST, path: Path) -> ast.AST:
    for field, place in path:
        found = getattr(tree, field)
        tree = found if place is None else found[place]
    return tree


def _function_of(tree: ast.Module, path: Path) -> str:
    names = [
        node.name
        for end in range(len(path))
        if isinstance(node := _at(tree, path[: end + 1]), ast.FunctionDef | ast.ClassDef)
    ]
    return ".".join(names) or "module"


Change = tuple[str, str, Callable[[], None]]


def _changes(node: ast.AST, members: dict[str, list[str]]) -> Iterator[Change]:
    yield from _of_values(node, members)
    yield from _of_logic(node)
    yield from _of_lists(node)
    yield from _of_statements(node)


def _of_values(node: ast.AST, members: dict[str, list[str]]) -> Iterator[Change]:
    shown = ast.unparse(node) if isinstance(node, ast.expr) else ""
    match node:
        case ast.Constant(value=bool(value)):
            yield shown, str(not value), lambda: setattr(node, "value", not value)
        case ast.Constant(value=int(number)):
            for other in (number + 1, number - 1):
                yield shown, str(other), lambda other=other: setattr(node, "value", other)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        case ast.Constant(value=str(text)) if text:
            yield shown, repr(f"{text}!"), lambda: setattr(node, "value", f"{text}!")
        case ast.Attribute(value=ast.Name(id=enum), attr=member) if enum in members:
            every = members[enum]
            if member in every:
                beside = every[(every.index(member) + 1) % len(every)]
                yield shown, f"{enum}.{beside}", lambda: setattr(node, "attr", beside)
        case ast.Name(id=name) if name in OTHER_NAMES:
            yield shown, OTHER_NAMES[name], lambda: setattr(node, "id", OTHER_NAMES[name])
        case ast.BinOp(op=op) if type(op) in SUMS:
            other_op = SUMS[type(op)]
            yield shown, other_op.__name__, lambda: setattr(node, "op", other_op())


def _of_logic(node: ast.AST) -> Iterator[Change]:
    shown = ast.unparse(node) if isinstance(node, ast.expr) else ""
    match node:
        case ast.Compare(ops=[op]):
            for other in COMPARISONS[type(op)]:
                yield (
                    shown,
                    other.__name__,
                    lambda other=other: setattr(node, "ops", [other()]),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                )
        case ast.BoolOp(op=op, values=values):
            flipped = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield shown, type(flipped).__name__, lambda: setattr(node, "op", flipped)
            yield from _shorter(shown, values, at_least=2)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            double = ast.UnaryOp(ast.Not(), operand)
            yield shown, ast.unparse(operand), lambda: setattr(node, "operand", double)
        case ast.If(test=test) | ast.IfExp(test=test):
            yield f"if {ast.unparse(test)}", "not", lambda: setattr(node, "test", _no(test))
        case ast.comprehension(ifs=ifs) if ifs:
            said = ast.unparse(ifs[0])
            yield f"for … if {said}", "all", lambda: setattr(node, "ifs", [])
        case ast.match_case(guard=ast.expr() as guard):
            yield f"case if {ast.unparse(guard)}", "always", lambda: setattr(node, "guard", None)


def _no(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _of_lists(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Tuple(elts=elements, ctx=ast.Load()) if _is_table(elements):
            yield from _shorter(ast.unparse(node), elements, at_least=1)
        case ast.Call(args=arguments, keywords=keywords):
            said = ast.unparse(node.func)
            kinds = [each for each in arguments if _names_a_constant(each)]
            for argument in kinds if len(arguments) > 2 else []:
                yield (
                    ast.unparse(node),
                    f"without {ast.unparse(argument)}",
                    lambda argument=argument: arguments.remove(argument),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                )
            for keyword in keywords:
                if not _is_none(keyword.value):
                    was = f"{said}({keyword.arg}={ast.unparse(keyword.value)})"
                    yield (
                        was,
                        "None",
                        lambda keyword=keyword: setattr(keyword, "value", ast.Constant(None)),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                    )


def _is_table(elements: list[ast.expr]) -> bool:
    """A list of equals, not a record: without one of them it is still what it was."""
    if all(isinstance(each, ast.Tuple) for each in elements):
        return True
    return all(_names_a_constant(each) for each in elements) and not _is_pair(elements)


def _names_a_constant(element: ast.expr) -> bool:
    named = element.value if isinstance(element, ast.Starred | ast.Attribute) else element
    return isinstance(named, ast.Name) and named.id[0].isupper()


def _is_pair(elements: list[ast.expr]) -> bool:
    """Members of two enums side by side."""
    enums = {ast.unparse(each.value) for each in elements if isinstance(each, ast.Attribute)}
    return len(enums) == len(elements) == 2


def _shorter(said: str, elements: list[ast.expr], *, at_least: int) -> Iterator[Change]:
    """Without one of them; the last stays."""
    if len(elements) < at_least:
        return
    for place, element in enumerate(elements):
        yield said, f"without {ast.unparse(element)}", lambda place=place: elements.pop(place)  # type: ignore[misc]  # mypy cannot infer a lambda with a default


def _of_statements(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            said = f"return {ast.unparse(value)[:60]}"
            yield said, "None", lambda: setattr(node, "value", ast.Constant(None))
        case ast.Match(cases=cases) if len(cases) > 1:
            for place, case in enumerate(cases):
                said = f"case {ast.unparse(case.pattern)}"
                yield said, "gone", lambda place=place: cases.pop(place)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    for block in ("body", "orelse"):
        statements = getattr(node, block, None)
        if not isinstance(statements, list):
            continue
        for place, statement in enumerate(statements):
            if isinstance(statement, ast.AugAssign) or _is_act(statement):
                yield (
                    ast.unparse(statement)[:60],
                    "gone",
                    lambda place=place, block=statements: block.__setitem__(place, ast.Pass()),  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                )


def _is_act(statement: ast.AST) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None
