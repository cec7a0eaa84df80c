"""Hostile arguments for public functions, and the judgement: the documented result or a ValueError, nothing else.

What is a silent wrong number? A result that depends on a NaN and is none; a result that depends on a label that is no
class; a finite result of an infinity that is not its limit; a NaN from arguments in their range; any result at all of a
wrong rank, size, dtype or option. Each is found without knowing the function: it is run on arguments that differ in one
element, and again with the hostile value in the place of that element.
"""

from collections.abc import Callable, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.cases.case import CODES, EDGES, SIZES, Array, Case, Key, Subject, Tree

INFINITE_LIKE = (1e6, 1e12, 1e30)  # what stands in for infinity
NO_CLASS = (-1, SIZES["C"], 2**31 - 1, -(2**31), 2**31, 2**32 + 1)
FLAT = {"point": (2, 2, 2, 2), "line": (2, 2, 2, 5), "inverted": (5, 5, 2, 2), "outside": (90, 90, 99, 99)}
REFUSED = (ValueError, TypeError)


class Fuzzed(Subject):
    """A public function, the faults that fit its arguments, and the judgement of what they give."""

    def __init__(self, name: str, function: Callable, case: Case, arguments: Mapping[str, Tree]):
        super().__init__(name, function, case, arguments)
        self.judged: set[tuple] = set()

    @cached_property
    def run(self) -> Callable[[list], tuple[list[np.ndarray], list[np.ndarray] | None]]:
        """Values -> (numeric leaves of the result, gradients of the sum of the finite ones by each value)."""
        if self.case.host:
            return lambda values: (numbers(self.result(values)), None)
        if self.case.gradient is False:
            plain = jax.jit(lambda values: numeric(self.result(values)))
            return lambda values: ([np.asarray(x) for x in plain(values)], None)

        @jax.jit
        def both(values):
            arrays = [(i, leaf) for i, leaf in enumerate(self.leaves) if isinstance(leaf, Array) and not leaf.still]
            where = [i for i, leaf in arrays if leaf.dtypes[0] == "f"]

            def inner(floats):
                filled = list(values)
                for i, x in zip(where, floats, strict=True):
                    filled[i] = x
                out = numeric(self.result(filled))
                return [x for x in out if jnp.issubdtype(x.dtype, jnp.floating)], out

            found, pull, out = jax.vjp(inner, [jnp.asarray(values[i]) for i in where], has_aux=True)
            (gradients,) = pull([jnp.isfinite(x).astype(x.dtype) for x in found])
            return out, dict(zip(where, gradients, strict=True))

        def run(values):
            out, gradients = both(values)
            return [np.asarray(x) for x in out], {i: np.asarray(g) for i, g in gradients.items()}

        return run

    # --- faults -----------------------------------------------------------------------------------------------------

    @cached_property
    def faults(self) -> dict[str, list[tuple]]:
        """Every fault that fits these arguments, by what it is a fault of."""
        values: list[tuple] = [("in range",)]
        structure: list[tuple] = []
        letters = [n for leaf in self.leaves if isinstance(leaf, Array) and not leaf.own for n in leaf.shape]
        for i, leaf in enumerate(self.leaves):
            if isinstance(leaf, Array) and leaf.own:
                values.append(("nan", i))
                continue
            structure += [("text", i)] if isinstance(leaf, Array) and leaf.free else [("text", i), ("none", i)]
            if isinstance(leaf, Key):
                continue
            values += [("edge", i, edge) for edge in leaf.edges]
            if leaf.dtypes[0] == "f":
                values += [("nan", i)] * 3 + [("inf", i, 1.0), ("inf", i, -1.0)]
            if leaf.classes is not None:
                values += [("label", i, value) for value in NO_CLASS]
            if leaf.boxes:
                values += [("box", i, which) for which in FLAT]
            if not leaf.free:
                structure += [("rank", i, +1)] + [("rank", i, -1)] * bool(leaf.shape)
                if leaf.lead and letters.count(leaf.shape[0]) == 1:
                    structure = [fault for fault in structure if fault[:2] != ("rank", i)]
                for axis, n in enumerate(leaf.shape):
                    if isinstance(n, int) or letters.count(n) > 1:
                        structure += [("size", i, axis, size) for size in (1, SIZES.get(n, n) + 1) if size != n]
            structure += [("dtype", i, code) for code in CODES if leaf.dtypes and code not in leaf.dtypes]
        structure += [("empty", n) for n in sorted({n for n in letters if isinstance(n, str)})]
        if {"H", "W"} <= set(letters):
            values.append(("one pixel",))
        options = [("option", name, value) for name, old in self.options.items() for value in hostile(old)]
        options = [o for o in options if o[2] not in self.case.right.get(o[1], ())]
        return {
            kind: found for kind, found in (("value", values), ("structure", structure), ("option", options)) if found
        }

    def judge(self, fault: tuple, seed: int) -> None:
        """Raise AssertionError if this fault gives anything but what is documented."""
        kind, *about = fault
        if kind in ("in range", "edge", "nan", "inf", "label", "box", "one pixel"):
            with np.errstate(all="ignore"), suppress(ValueError) if self.case.host and about else nullcontext():
                getattr(self, "_" + kind.replace(" ", "_"))(seed, *about)
        else:  # the values do not matter: once is enough
            with np.errstate(all="ignore"):
                self._refusal(fault)

    # --- values -----------------------------------------------------------------------------------------------------

    def _in_range(self, seed: int) -> None:
        self._good(self.make(seed), "in range", self.case.holds)

    def _edge(self, seed: int, i: int, edge: str) -> None:
        values = self.make(seed)
        values[i] = EDGES[edge](values[i]).astype(values[i].dtype)
        self._good(values, f"{self._name(i)}: {edge}", self.case.holds)

    def _box(self, seed: int, i: int, which: str) -> None:
        values = self.make(seed)
        at = self._place(seed, values[i].shape[:-1])
        clean = self.run(values)[0]
        values[i] = values[i].copy()
        values[i][at] = FLAT[which]
        if self.case.boxes is None:
            self._good(values, f"{self._name(i)}: {which}", holds=None)
        elif self.case.boxes.judge is not None:
            assert self.case.boxes.judge(clean, self.run(values)[0], at), f"{self._name(i)}: {which}"

    def _one_pixel(self, seed: int) -> None:
        with suppress(ValueError):  # too small for the options
            self._good(self.make(seed, H=1, W=1), "one pixel", self.case.holds)

    def _good(self, values: list, what: str, holds: Callable | None) -> None:
        out, gradients = self.run(values)
        if self.case.finite is None:
            assert all(np.isfinite(x).all() for x in out), f"{what}: a result is not finite: {out}"
        assert holds is None or holds(*out), f"{what}: the result is not as documented: {out}"
        if all(np.isfinite(x).all() for x in out):
            self._finite(gradients, what)

    def _nan(self, seed: int, i: int) -> None:
        hostile, one, two, at = self._variants(seed, i, np.nan)
        what = f"{self._name(i)}{list(at)} is NaN"
        outs, gradients = self.run(hostile)
        if self.case.nan is not None and self._name(i).startswith(self.case.nan.of):
            if self.case.nan.judge is not None:
                assert self.case.nan.judge(self.run(one)[0], outs, at), f"{what}: not as documented: {outs}"
        else:
            for a, b, out in zip(self.run(one)[0], self.run(two)[0], outs, strict=True):
                silent = ~np.isnan(out) if np.issubdtype(out.dtype, np.floating) else True
                wrong = differ(a, b) & silent
                assert not wrong.any(), f"{what}, and yet the result that depends on it is {out[wrong]} of {out}"
        self._finite_rows(outs, gradients, what)

    def _inf(self, seed: int, i: int, sign: float) -> None:
        hostile, one, _, at = self._variants(seed, i, sign * np.inf)
        what = f"{self._name(i)}{list(at)} is {sign * np.inf}"
        outs, gradients = self.run(hostile)
        if self.case.inf is not None and self._name(i).startswith(self.case.inf.of):
            if self.case.inf.judge is not None:
                assert self.case.inf.judge(self.run(one)[0], outs, at), f"{what}: not as documented: {outs}"
        else:
            limits = []
            for size in INFINITE_LIKE:
                one[i] = one[i].copy()
                one[i][at] = sign * size
                limits.append(self.run(one)[0])
            for out, *near in zip(outs, *limits, strict=True):
                right = np.any([np.isclose(out, limit, rtol=1e-3, atol=1e-3) for limit in near], axis=0)
                wrong = np.isfinite(out) & ~right
                assert not wrong.any(), f"{what}: {out[wrong]} is not the limit, {[limit[wrong] for limit in near]}"
        if self.case.gradient is True:
            self._finite_rows(outs, gradients, what)
            if all(np.isfinite(x).all() for x in outs):
                self._finite(gradients, what)

    def _label(self, seed: int, i: int, value: int) -> None:
        values = self.make(seed)
        at = self._place(seed, values[i].shape)
        what = f"{self._name(i)}{list(at)} is {value}"
        clean, _ = self.run(values)
        values[i] = values[i].astype(np.int64)
        values[i][at] = value
        if not -(2**31) <= value < 2**31:  # JAX would cut it to 32 bits: refused where that can be seen
            with refusal(what):
                self.result(values)
            return
        values[i] = values[i].astype(np.int32)
        outs, gradients = self.run(values)
        if self.case.labels is not None:
            if self.case.labels.judge is not None:
                assert self.case.labels.judge(clean, outs, at), f"{what}: not as documented: {outs}"
            return
        for before, out in zip(clean, outs, strict=True):
            assert np.isnan(out[at]).all(), f"{what}, and the result is {out[at]}"
            others = np.arange(len(out)) != at[0]
            np.testing.assert_array_equal(out[others], before[others], err_msg=what)
        for j, gradient in (gradients or {}).items():
            if self.leaves[j].shape[:1] == self.leaves[i].shape[:1]:
                assert not gradient[at].any(), f"{what}, and its gradient is {gradient[at]}"
        self._finite_rows(outs, gradients, what)

    def _finite(self, gradients: dict | None, what: str) -> None:
        for i, gradient in (gradients or {}).items():
            right = np.isfinite(gradient).all()
            assert right, f"{what}: the result is finite, the gradient of {self._name(i)} is {gradient}"

    def _finite_rows(self, outs: list, gradients: dict | None, what: str) -> None:
        if self.case.rows:
            good = np.all([np.isfinite(x).reshape(len(x), -1).all(1) for x in outs], axis=0)
            batched = {i: g for i, g in (gradients or {}).items() if self.leaves[i].shape[:1] == ("B",)}
            self._finite({i: gradient[good] for i, gradient in batched.items()}, what)

    def _variants(self, seed: int, i: int, value: float) -> tuple[list, list, list, tuple]:
        """Arguments with the value at one element, two with others in its place, and the place."""
        one = self.make(seed)
        at = self._place(seed, one[i].shape)
        hostile, two = list(one), list(one)
        hostile[i], two[i] = one[i].copy(), one[i].copy()
        hostile[i][at] = value
        two[i][at] = self.make(seed + 1)[i][at]
        return hostile, one, two, at

    def _place(self, seed: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        rng = np.random.default_rng((seed, 1))
        return tuple(int(rng.integers(n)) for n in shape)

    def _name(self, i: int) -> str:
        paths, _ = jax.tree.flatten_with_path(self.arrays, is_leaf=lambda x: isinstance(x, (Array, Key)))
        return jax.tree_util.keystr(paths[i][0], simple=True, separator="/")

    # --- shapes, dtypes and options ---------------------------------------------------------------------------------

    def _refusal(self, fault: tuple) -> None:
        if fault in self.judged:
            return
        kind, *about = fault
        if kind == "option":
            self._option(*about)
        elif kind == "empty":
            self._empty(*about)
        else:
            values = self.make(0)
            values[about[0]] = spoilt(kind, values[about[0]], *about[1:])
            what = f"{self._name(about[0])}: {kind} {about[1:]}"
            with jax.numpy_rank_promotion("allow"), refusal(what, also=TypeError if kind in ("text", "none") else ()):
                self._trace(values) if kind in ("rank", "size", "dtype") else self.result(values)
        self.judged.add(fault)

    def _empty(self, letter: str) -> None:
        values = self.make(0, **{letter: 0})
        if letter in self.case.empty:
            out = numbers(self.result(values))
            assert self.case.finite is not None or all(np.isfinite(x).all() for x in out), f"{letter} of 0"
        else:
            with refusal(f"{letter} of 0"):
                self._trace(values)

    def _option(self, name: str, value: Any) -> None:
        what = f"{name} is {value!r}"
        values = self.make(0)
        try:
            self._trace(values, **{name: value})
            assert not isinstance(value, (str, tuple, type(None))), f"{what}, and it gives a result"
            if self.case.deep:
                return
            run = self.result if self.case.host else jax.jit(self.result, static_argnames=name)
            out = numbers(run(values, **{name: value}))
        except REFUSED:
            return
        nan = any(np.isnan(x).any() for x in out if np.issubdtype(x.dtype, np.floating))
        if value != value:
            before = numbers((self.result if self.case.host else jax.jit(self.result))(values))
            same = all(np.array_equal(a, b) for a, b in zip(before, out, strict=True))
            assert nan or same, f"{what}, and it gives {out}"
        elif abs(value) < np.inf:
            assert not nan, f"{what}, and it gives {out}"

    def _trace(self, values: list, **options) -> None:
        if self.case.host:
            self.result(values, **options)
        else:
            jax.eval_shape(lambda values: self.result(values, **options), values)


def numeric(tree: Tree) -> list[jax.Array]:
    """The leaves that are numbers."""
    leaves = [x for x in jax.tree.leaves(tree) if not isinstance(x, str)]
    return [jnp.asarray(x) for x in leaves if not jnp.issubdtype(jnp.result_type(x), jax.dtypes.prng_key)]


def numbers(tree: Tree) -> list[np.ndarray]:
    """The leaves that are numbers, on the host."""
    return [np.asarray(x) for x in numeric(tree)]


def differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two results differ, NaN being equal to itself."""
    return (a != b) & ~((a != a) & (b != b))


def spoilt(kind: str, value: Any, *about) -> Any:
    """The value with another rank, size or dtype, or something that is no array."""
    if kind == "text":
        return "text"
    if kind == "none":
        return None
    if kind == "rank":
        return value[None] if about[0] > 0 else value[0]
    if kind == "dtype":
        return np.abs(value).astype(CODES[about[0]])
    axis, size = about
    return np.take(value, np.arange(size) % max(value.shape[axis], 1), axis=axis)


def hostile(old: Any) -> list:
    """What is put in the place of an option."""
    if isinstance(old, bool) or callable(old) or isinstance(old, Mapping):
        return []
    if isinstance(old, str):
        return ["text"]
    if isinstance(old, (int, float)):
        return [np.nan, np.inf, -1, 0, 2.5, "text", None]
    if isinstance(old, tuple) and old and all(isinstance(x, (int, float)) for x in old):
        return [(), (np.nan,) * len(old), ("text",) * len(old)]
    return []


@contextmanager
def refusal(what: str, *, also: type | tuple = ()):
    """Fail unless the block raises a ValueError that says what is allowed."""
    try:
        yield
    except ValueError as raised:
        error = raised
    except also:
        return
    else:
        raise AssertionError(f"{what}, and it gives a result")
    assert "allowed" in str(error) or also, f"{what}: the error does not say what is allowed: {error}"
