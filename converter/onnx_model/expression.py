"""Integer expressions over the sizes of dimensions: polynomials with integer coefficients."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

Product = tuple[str, ...]  # the names of the sizes that are multiplied, sorted; empty for a constant


@dataclass(frozen=True, slots=True)
class Expression:
    """A sum of products of sizes, which are never negative; at least one product names a size."""

    terms: tuple[tuple[Product, int], ...]  # sorted by product, no coefficient is 0

    def __str__(self) -> str:
        ordered = sorted(self.terms, key=lambda term: (-len(term[0]), term[0]))
        text = " + ".join(_text(product, factor) for product, factor in ordered)
        return text.replace("+ -", "- ")


Integer = int | Expression


def _text(product: Product, factor: int) -> str:
    names = "*".join(product)
    if not names:
        return str(factor)
    return names if factor == 1 else f"-{names}" if factor == -1 else f"{factor}*{names}"


def size(name: str) -> Expression:
    """Return the size that a name stands for."""
    return Expression((((name,), 1),))


def is_integer(value: object) -> TypeGuard[Integer]:
    """Return whether a value is an integer or an expression; bool is neither."""
    return isinstance(value, int | Expression) and not isinstance(value, bool)


def add(one: Integer, other: Integer) -> Integer:
    """Return the sum of two expressions."""
    terms = _terms(one)
    for product, factor in _terms(other).items():
        terms[product] = terms.get(product, 0) + factor
    return _expression(terms)


def multiply(one: Integer, other: Integer) -> Integer:
    """Return the product of two expressions."""
    terms: dict[Product, int] = {}
    for left, left_factor in _terms(one).items():
        for right, right_factor in _terms(other).items():
            product = tuple(sorted((*left, *right)))
            terms[product] = terms.get(product, 0) + left_factor * right_factor
    return _expression(terms)


def product(factors: Iterable[Integer]) -> Integer:
    """Return the product of any number of expressions."""
    result: Integer = 1
    for factor in factors:
        result = multiply(result, factor)
    return result


def subtract(one: Integer, other: Integer) -> Integer:
    """Return the difference of two expressions."""
    return add(one, multiply(-1, other))


def divide(one: Integer, other: Integer) -> Integer | None:
    """Return the quotient rounded toward zero; None if it is unknown.

    A size that is a divisor is taken to be positive, since the division fails otherwise.
    """
    if isinstance(one, int) and isinstance(other, int):
        return None if other == 0 else abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
    if (exact := divide_exactly(one, other)) is not None:
        return exact
    is_positive = (lower_bound(other) or 0) > 0
    return size(f"floor(({one})/({other}))") if is_positive and is_natural(one) else None


def divide_exactly(one: Integer, other: Integer) -> Integer | None:
    """Return the quotient if the division by a single term leaves no remainder; None otherwise."""
    if other == 0 or (isinstance(other, Expression) and len(other.terms) > 1):
        return None
    ((by, by_factor),) = _terms(other).items()
    terms: dict[Product, int] = {}
    for product, factor in _terms(one).items():
        left = list(product)
        for name in by:
            if name not in left:
                return None
            left.remove(name)
        if factor % by_factor:
            return None
        terms[tuple(left)] = factor // by_factor
    return _expression(terms)


def modulo(one: Integer, other: Integer) -> Integer | None:
    """Return the remainder of a natural number divided by a positive one; None if it is unknown."""
    if not is_natural(one) or (lower_bound(other) or 0) <= 0:
        return None
    if isinstance(one, int) and isinstance(other, int):
        return one % other
    if divide_exactly(one, other) is not None:
        return 0
    return size(f"(({one}) mod ({other}))")


def lower_bound(value: Integer) -> int | None:
    """Return the largest known integer that the expression is never below; None if there is none."""
    terms = _terms(value)
    constant = terms.pop((), 0)
    return constant if all(factor > 0 for factor in terms.values()) else None


def is_natural(value: Integer) -> bool:
    """Return whether the expression is known not to be negative."""
    bound = lower_bound(value)
    return bound is not None and bound >= 0


def is_less(one: Integer, other: Integer) -> bool | None:
    """Return whether one expression is less than the other; None if it depends on the sizes."""
    above = lower_bound(subtract(other, one))
    below = lower_bound(subtract(one, other))
    return True if above is not None and above > 0 else False if below is not None and below >= 0 else None


def is_equal(one: Integer, other: Integer) -> bool | None:
    """Return whether two expressions are equal; None if it depends on the sizes."""
    if one == other:
        return True
    return False if True in (is_less(one, other), is_less(other, one)) else None


def minimum(one: Integer, other: Integer) -> Integer | None:
    """Return the smaller of two expressions; None if it depends on the sizes."""
    if is_less(other, one) is False:  # one <= other
        return one
    return other if is_less(one, other) is False else None


def maximum(one: Integer, other: Integer) -> Integer | None:
    """Return the larger of two expressions; None if it depends on the sizes."""
    if is_less(one, other) is False:  # one >= other
        return one
    return other if is_less(other, one) is False else None


def _terms(value: Integer) -> dict[Product, int]:
    return dict(value.terms) if isinstance(value, Expression) else {(): value}


def _expression(terms: dict[Product, int]) -> Integer:
    left = {product: factor for product, factor in terms.items() if factor}
    if not left.keys() - {()}:
        return left.get((), 0)
    return Expression(tuple(sorted(left.items())))
