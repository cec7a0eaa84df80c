"""Pooling and its gradient, by ``layers``' own forms, by XLA's windows and by PyTorch, shape by shape.

    python -m benchmarks.pools

A call pools and pulls a cotangent back, on one JAX device with all cores, and torch with as many threads; the three run
in turns on the same arrays, and the results are compared. A ratio, our time by the other's, is the median over the
turns.
"""

import statistics
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from flax import nnx

from benchmarks._figures import chosen, in_turns, keep_memory, module, write
from jaxtricks import ablation
from jaxtricks.layers import _pool_gradient

torch = module("torch")
POOLS = {  # kind, size, stride, padding
    "max 3x3, stride 2": ("max", 3, 2, 1),
    "max 3x3": ("max", 3, 1, 1),
    "max 2x2, stride 2": ("max", 2, 2, 0),
    "mean 2x2, stride 2": ("mean", 2, 2, 0),
    "mean 4x4, stride 4": ("mean", 4, 4, 0),
}
SHAPES = ((64, 32, 32, 64), (8, 48, 48, 64))


@dataclass(frozen=True)
class Options:
    """What to measure."""

    turns: int = 11
    """Turns of each side."""
    only: tuple[str, ...] = ()
    """Rows whose name holds one of these; all of them if empty."""
    out: Path | None = None
    """A JSON file to write the figures to."""


def jax_side(pool, x, ct):
    """``() -> (pooled, gradient)``, compiled."""

    def both(x, ct):
        y, back = jax.vjp(pool, x)
        return y, back(ct)[0]

    compiled = jax.jit(both).lower(x, ct).compile()
    return lambda: jax.block_until_ready(compiled(x, ct))


def torch_side(kind: str, size: int, stride: int, padding: int, x, ct):
    """The same in PyTorch, channels last."""
    last = lambda a: torch.from_numpy(np.array(a, np.float32)).permute(0, 3, 1, 2).to(kinds[a.dtype.name])  # noqa: E731
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    x, ct = last(x).requires_grad_(), last(ct)
    pool = torch.nn.functional.max_pool2d if kind == "max" else torch.nn.functional.avg_pool2d

    def both():
        y = pool(x, size, stride, padding)
        (gradient,) = torch.autograd.grad(y, x, ct)
        return tuple(a.detach().permute(0, 2, 3, 1) for a in (y, gradient))

    return both


def sides(kind: str, size: int, stride: int, padding: int, shape: tuple[int, ...], dtype) -> dict:
    """``{side: () -> (pooled, gradient)}``."""
    around = ((padding, padding),) * 2
    plain = nnx.max_pool if kind == "max" else nnx.avg_pool
    xla = lambda x: plain(x, (size, size), strides=(stride, stride), padding=around).astype(x.dtype)  # noqa: E731
    ours = partial(_pool_gradient.max_pool, size=size, stride=stride, around=around)
    if kind == "mean":
        ours = partial(_pool_gradient.average_pool, size=size, stride=stride, around=around, count_padding=True)
    x = jax.random.normal(jax.random.key(0), shape).astype(dtype)
    ct = jax.random.normal(jax.random.key(1), jax.eval_shape(xla, x).shape).astype(dtype)
    of_torch = torch_side(kind, size, stride, padding, x, ct)
    return {"ours": jax_side(ours, x, ct), "xla": jax_side(xla, x, ct), "torch": of_torch}


def single(array) -> np.ndarray:
    """An array of either library in single precision."""
    return np.asarray(array.float().numpy() if hasattr(array, "float") else array.astype(jnp.float32))


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    machine, rows = ablation.machine(), {}
    torch.set_num_threads(machine["cores"])
    print(f"{machine['cpu']}, {machine['cores']} cores; milliseconds of a pool and its gradient")
    print(f"{'':46s} {'ours':>8s} {'xla':>8s} {'torch':>8s} {'ours/xla':>10s} {'ours/torch':>12s}")
    cases = ((n, s, d) for n in POOLS for s in SHAPES for d in ("float32", "bfloat16"))
    names = {f"{n}, {'x'.join(map(str, s))}, {d}": (n, s, d) for n, s, d in cases}
    for name in chosen(names, options.only):
        pool, shape, dtype = names[name]
        calls = sides(*POOLS[pool], shape, dtype)
        ours, *others = (call() for call in calls.values())
        tolerance = 1e-5 if dtype == "float32" else 0.05
        for other in others:
            for a, b in zip(map(single, ours), map(single, other), strict=True):
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max(), err_msg=name)
        times = in_turns(list(calls.values()), options.turns)
        taken = [1e3 * statistics.median(values) for values in times]
        ratios = [statistics.median(a / b for a, b in zip(times[0], other, strict=True)) for other in times[1:]]
        rows[name] = dict(zip(calls, taken, strict=True)) | {"ours_by_xla": ratios[0], "ours_by_torch": ratios[1]}
        print(f"{name:46s} {' '.join(f'{t:8.2f}' for t in taken)} {ratios[0]:10.2f} {ratios[1]:12.2f}")
    result = {"command": " ".join(["python -m benchmarks.pools", *sys.argv[1:]]), "machine": machine}
    result |= {"torch": torch.__version__, "rows": rows}
    write(result, options.out)
    return result


if __name__ == "__main__":
    chosen_options = tyro.cli(Options, description=__doc__)
    keep_memory()
    main(chosen_options)
