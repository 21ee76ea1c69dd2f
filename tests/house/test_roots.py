"""Square roots whose bits differ between processors are not written in ``models/``.

``models.rounding`` makes ``torch.sqrt`` exact. torch takes the same root in other ways that the
replacement does not reach: in place, as a power of one half, as a reciprocal, of many tensors.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[2] / "models"

NAMES = {"sqrt_", "rsqrt", "rsqrt_", "_foreach_sqrt", "_foreach_sqrt_", "_foreach_rsqrt"}
POWERS = {"pow", "pow_", "float_power", "float_power_", "power"}


def roots(source: str) -> list[int]:
    """The lines that take a root otherwise than by ``sqrt``."""
    return sorted(node.lineno for node in ast.walk(ast.parse(source)) if _is_root(node))


def _is_root(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in NAMES
    if isinstance(node, ast.Name):
        return node.id in NAMES
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in NAMES for alias in node.names)
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
        return _is_broken(node.right if isinstance(node, ast.BinOp) else node.value)
    if isinstance(node, ast.Call):
        return _name(node.func) in POWERS and any(map(_is_broken, _given(node)))
    return False


def _given(call: ast.Call) -> Iterator[ast.expr]:
    yield from call.args
    yield from (word.value for word in call.keywords)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_broken(exponent: ast.expr) -> bool:
    """Whether it is an expression of plain numbers that is none of the whole numbers."""
    allowed = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop)
    if not all(isinstance(node, allowed) for node in ast.walk(exponent)):
        return False
    # Numbers and signs only, as the line above has seen to.
    value = eval(compile(ast.Expression(exponent), "exponent", "eval"), {"__builtins__": {}})
    return isinstance(value, int | float) and value != int(value)


@pytest.mark.parametrize("path", sorted(MODELS.rglob("*.py")), ids=str)
def test_roots_are_taken_by_sqrt_alone(path):
    found = roots(path.read_text())
    assert not found, f"{path}, lines {found}: write torch.sqrt(x) or np.sqrt(x)"


@pytest.mark.parametrize(
    "line",
    [
        "x.sqrt_()",
        "x.rsqrt()",
        "torch.rsqrt(x)",
        "torch._foreach_sqrt(x)",
        "from torch import rsqrt",
        "x**0.5",
        "x**-0.5",
        "x**(1 / 2)",
        "x **= 0.5",
        "x ** 1.5",
        "x.pow(0.5)",
        "torch.pow(x, 1 / 3)",
        "torch.pow(input=x, exponent=0.5)",
        "np.power(x, 0.25)",
        "pow(x, 0.5)",
    ],
)
def test_every_other_way_is_seen(line):
    assert roots(line) == [1]


@pytest.mark.parametrize(
    "line", ["torch.sqrt(x)", "x.sqrt()", "x**2", "x ** n", "x.pow(2)", "2**-1"]
)
def test_what_is_no_root_passes(line):
    assert roots(line) == []
