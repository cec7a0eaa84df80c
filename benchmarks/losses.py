"""Value and gradient of every loss, and of PyTorch's, on the same machine in the same run.

    python -m benchmarks.losses

Logits are ``[4096, 1000]`` float32, features ``[4096, 512]``, boxes ``[4096, 4]``; the value is the mean of the batch.
Where torch has the loss, its own function is the peer ("torch"); else the formula written out in torch ("formula");
what has neither is compared with ``optax.softmax_cross_entropy``. Both sides use all cores and one device. That both
compute the same value and gradient is checked before the clock starts. They are timed in turns, and the ratio, our
time by theirs, is the median over the turns, with its quartiles.

Memory that a side frees stays with the process (``--no-keep-memory`` leaves that to the system): in a network the
temporaries of a loss lie within those of the complete step, and alone they would be asked of the system at every call.
"""

import platform
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

from benchmarks import _cases
from benchmarks import _torch_losses as formulas
from benchmarks._cases import Subject
from benchmarks._figures import chosen, in_turns, keep_memory, module, write
from jaxtricks import ablation, losses

torch, F = module("torch"), module("torch.nn.functional")
LIMIT = 1.2


@dataclass(frozen=True)
class Options:
    """What to measure."""

    batch: int = 4096
    """Rows."""
    classes: int = 1000
    """Classes of the logits."""
    features: int = 512
    """Length of a feature vector."""
    turns: int = 40
    """Turns of each side."""
    only: tuple[str, ...] = ()
    """Names, or parts of names; all losses if none."""
    keep_memory: bool = True
    """Whether freed memory stays with the process; glibc only."""
    out: Path | None = None
    """A JSON file to write the figures to."""


class Case(NamedTuple):
    """A loss of this project or of optax, the same in torch, and the inputs, the first of which is what is learnt."""

    ours: Callable
    theirs: Callable | None
    inputs: tuple[str, ...] | Subject
    peer: str = "formula"


def inputs(options: Options) -> dict[str, np.ndarray]:
    """Arrays by name."""
    rng = np.random.default_rng(0)
    rows, classes = options.batch, options.classes
    labels = rng.integers(0, classes, rows).astype(np.int32)
    boxes = rng.uniform(0, 50, (2, rows, 4)).astype(np.float32)
    boxes[..., 2:] += boxes[..., :2] + 1

    def normal(*shape, scale=1.0):
        return (scale * rng.normal(size=shape)).astype(np.float32)

    return {
        "x": normal(rows, classes, scale=3.0),
        "teacher": normal(rows, classes, scale=3.0),
        "number": normal(rows, classes),
        "y": labels,
        "hard": np.eye(classes, dtype=np.float32)[labels],
        "soft": rng.dirichlet(np.ones(classes), size=rows).astype(np.float32),
        "feature": normal(rows, options.features),
        "kernel": normal(options.features, classes, scale=options.features**-0.5),
        "centers": normal(classes, options.features),
        "counts": rng.integers(1, 1000, classes).astype(np.float32),
        "costs": rng.uniform(0, 2, (classes, classes)).astype(np.float32),
        "box": boxes[0],
        "other": boxes[1],
        "anchor": np.abs(normal(rows, classes)),
        "positive": rng.uniform(size=(rows, classes)) < 0.01,
    }


def headed(logits: Callable) -> Callable:
    """The cross-entropy of logits that a head with a margin makes."""

    def loss(x, w, y):
        return optax.softmax_cross_entropy_with_integer_labels(logits(x, w, y), y)

    return loss


def mined(weights: Callable) -> Callable:
    """Losses weighted by what is mined from them and the positives, which are as many as the mean counts."""

    def loss(anchor, positive):
        return jnp.sum(weights(anchor, positive) * anchor) / jnp.sum(positive)

    return loss


def cases() -> dict[str, Case]:
    """The losses with a peer of their own, by row of the index and name; ``rest`` has the others."""
    ce, bce, hinge = optax.softmax_cross_entropy, F.binary_cross_entropy_with_logits, F.multi_margin_loss
    return {
        "A1 softmax_cross_entropy": Case(ce, F.cross_entropy, ("x", "soft"), "torch"),
        "A1 ..._with_integer_labels": Case(
            optax.softmax_cross_entropy_with_integer_labels, F.cross_entropy, ("x", "y"), "torch"
        ),
        "A1 safe_softmax_cross_entropy": Case(
            optax.safe_softmax_cross_entropy, F.cross_entropy, ("x", "soft"), "torch"
        ),
        "A2 sigmoid_binary_cross_entropy": Case(optax.sigmoid_binary_cross_entropy, bce, ("x", "hard"), "torch"),
        "A3 balanced_cross_entropy": Case(
            partial(losses.balanced_cross_entropy, alpha=0.2),
            partial(formulas.balanced_cross_entropy, alpha=0.2),
            ("x", "hard"),
            "torch",
        ),
        "A4 sigmoid_focal_loss": Case(
            partial(optax.sigmoid_focal_loss, alpha=0.25), formulas.sigmoid_focal, ("x", "hard")
        ),
        "A4 softmax_focal": Case(losses.softmax_focal, formulas.softmax_focal, ("x", "hard")),
        "A5 smooth_labels": Case(
            lambda x, t: ce(x, optax.smooth_labels(t, 0.1)),
            partial(F.cross_entropy, label_smoothing=0.1),
            ("x", "hard"),
            "torch",
        ),
        "A5 smooth_labels_exclusive": Case(
            lambda x, t: ce(x, losses.smooth_labels_exclusive(t, 0.1)), formulas.smoothed_exclusive, ("x", "hard")
        ),
        "A6 multiclass_hinge_loss": Case(optax.losses.multiclass_hinge_loss, formulas.multiclass_hinge, ("x", "y")),
        "A6 weston_watkins": Case(
            losses.weston_watkins, lambda x, y: x.shape[1] * hinge(x, y), ("x", "y"), "torch"
        ),  # torch divides by the number of classes
        "A7 ramp": Case(losses.ramp, formulas.ramp, ("x", "y")),
        "A8 large_margin_logits": Case(
            headed(losses.large_margin_logits), formulas.large_margin, ("feature", "kernel", "y")
        ),
        "A9 center": Case(losses.center, formulas.center, ("feature", "y", "centers")),
        "A10 squared_error": Case(optax.squared_error, F.mse_loss, ("number", "x"), "torch"),
        "A10 absolute_error": Case(losses.absolute_error, F.l1_loss, ("number", "x"), "torch"),
        "A10 huber_loss": Case(optax.huber_loss, F.smooth_l1_loss, ("number", "x"), "torch"),
        "A11 tukey_biweight": Case(losses.tukey_biweight, formulas.tukey_biweight, ("x",)),
        "A12 kl_divergence": Case(
            lambda x, t: optax.losses.kl_divergence(jax.nn.log_softmax(x), t),
            formulas.kl_divergence,
            ("x", "soft"),
            "torch",
        ),
        "A13 distillation": Case(
            partial(losses.distillation, temperature=2.0), formulas.distillation, ("x", "teacher"), "torch"
        ),
        "A13 logit_regression": Case(losses.logit_regression, formulas.logit_regression, ("x", "teacher"), "torch"),
        "A14 expected_cost": Case(losses.expected_cost, formulas.expected_cost, ("x", "y", "costs")),
        "A15 l1_penalty": Case(losses.l1_penalty, lambda w: w.abs().sum(), ("number",), "torch"),
        "A15 l2_penalty": Case(losses.l2_penalty, lambda w: 0.5 * (w**2).sum(), ("number",), "torch"),
        "A15 elastic_net": Case(partial(losses.elastic_net, l1=1e-4, l2=1e-4), formulas.elastic_net, ("number",)),
        "A15 group_sparsity": Case(losses.group_sparsity, lambda w: w.norm(dim=0).sum(), ("number",), "torch"),
        "A16 iou_loss": Case(losses.iou_loss, formulas.box_loss("iou"), ("box", "other")),
        "A16 giou_loss": Case(losses.giou_loss, formulas.box_loss("giou"), ("box", "other")),
        "A16 diou_loss": Case(losses.diou_loss, formulas.box_loss("diou"), ("box", "other")),
        "A16 ciou_loss": Case(losses.ciou_loss, formulas.box_loss("ciou"), ("box", "other")),
        "A17 hard_negative_weights": Case(
            mined(losses.hard_negative_weights), formulas.hard_negatives, ("anchor", "positive")
        ),
        "A17 ohem_weights": Case(
            lambda x: jnp.sum(losses.ohem_weights(x, keep=256) * x, axis=-1) / 256, formulas.ohem, ("anchor",)
        ),
        "A+ bce_targets": Case(
            lambda x, t: optax.sigmoid_binary_cross_entropy(x, losses.bce_targets(t, threshold=0.001)),
            lambda x, t: bce(x, (t > 0.001).float()),
            ("x", "soft"),
            "torch",
        ),
        "A+ poly_loss_cross_entropy": Case(optax.losses.poly_loss_cross_entropy, formulas.poly_loss, ("x", "hard")),
        "A+ asymmetric": Case(losses.asymmetric, formulas.asymmetric, ("x", "hard")),
        "A+ ldam": Case(losses.ldam, formulas.ldam, ("x", "y", "counts")),
        "A+ logit_adjusted": Case(losses.logit_adjusted, formulas.logit_adjusted, ("x", "soft", "counts"), "torch"),
        "A+ bi_tempered": Case(partial(losses.bi_tempered, t1=0.8, t2=1.3), None, ("x", "soft"), "none"),
        "A+ generalized_cross_entropy": Case(
            losses.generalized_cross_entropy, formulas.generalized_cross_entropy, ("x", "soft")
        ),
        "A+ arcface_logits": Case(headed(losses.arcface_logits), formulas.arcface, ("feature", "kernel", "y")),
        "A+ supervised_contrastive": Case(
            losses.supervised_contrastive, formulas.supervised_contrastive, ("feature", "y")
        ),
    }


def rest(done: Iterable[str]) -> dict[str, Case]:
    """The losses that have no row above, as the cases of the tests call them; a formula in torch by the same name."""
    names = {label.split()[1] for label in done}
    cases = _cases.losses(names)
    return {name: Case(_in_order(case), getattr(formulas, name, None), case) for name, case in cases}


def _in_order(case: Subject) -> Callable:
    return lambda *arrays: case.result(list(arrays))


def jax_side(loss: Callable, arrays: list[np.ndarray]) -> Callable:
    """``() -> (value, gradient)``, compiled."""
    arrays = [jnp.asarray(a) for a in arrays]
    function = jax.jit(jax.value_and_grad(lambda *args: loss(*args).mean()))
    return lambda: jax.block_until_ready(function(*arrays))


def torch_side(loss: Callable, arrays: list[np.ndarray]) -> Callable:
    """``() -> (value, gradient)``, eager, on the device of JAX's kind."""
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    first, *rest = [torch.from_numpy(a.astype(np.int64) if a.dtype == np.int32 else a).to(device) for a in arrays]
    first.requires_grad_()

    def run():
        value = loss(first, *rest)
        (gradient,) = torch.autograd.grad(value, first)
        if device == "cuda":
            torch.cuda.synchronize()
        return value.detach(), gradient

    return run


def check_same(name: str, ours: Callable, theirs: Callable) -> None:
    """Raise AssertionError unless both sides compute the same value and gradient."""
    for a, b in zip(ours(), theirs(), strict=True):
        a, b = np.asarray(a), b.cpu().numpy()
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max(), err_msg=name)


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    machine = ablation.machine()
    cores = machine["cores"]
    torch.set_num_threads(cores)
    arrays, table = inputs(options), cases()
    table |= rest(table)
    sizes = {"batch": options.batch, "classes": options.classes, "features": options.features}
    print(f"batch {options.batch}, {options.classes} classes, {options.turns} turns, {cores} cores")
    print(f"{'':34s} {'jax ms':>8s} {'peer ms':>8s} {'ratio':>6s}  quartiles     peer")
    rows = {}
    for name in chosen(table, options.only):
        case = table[name]
        from_table = isinstance(case.inputs, Subject)
        arguments = _cases.arrays(case.inputs, **sizes) if from_table else [arrays[key] for key in case.inputs]
        ours = jax_side(case.ours, arguments)
        if case.theirs is None:
            theirs = jax_side(optax.softmax_cross_entropy, [arrays["x"], arrays["soft"]])
        else:
            theirs = torch_side(case.theirs, arguments)
            check_same(name, ours, theirs)
        a, b = in_turns([ours, theirs], options.turns)
        low, ratio, high = statistics.quantiles([x / y for x, y in zip(a, b, strict=True)], n=4)
        rows[name] = {
            "peer": case.peer if case.theirs else "optax.softmax_cross_entropy",
            "jax_ms": 1e3 * statistics.median(a),
            "peer_ms": 1e3 * statistics.median(b),
            "ratio": ratio,
            "ratio_quartiles": [low, high],
            "ratio_of_fastest": min(a) / min(b),
        }
        slow = f"  slower than {LIMIT}" if case.theirs and ratio > LIMIT else ""
        print(
            f"{name:34s} {rows[name]['jax_ms']:8.2f} {rows[name]['peer_ms']:8.2f} {ratio:6.2f}"
            f"  {low:.2f} to {high:.2f}  {rows[name]['peer']}{slow}",
            flush=True,
        )
    figures = {
        "command": " ".join(["python -m benchmarks.losses", *sys.argv[1:]]),
        "machine": machine | {"system": platform.platform()},
        "versions": {"optax": optax.__version__, "torch": torch.__version__},
        "memory_kept": options.keep_memory,
        "losses": rows,
    }
    write(figures, options.out)
    return figures


if __name__ == "__main__":
    options = tyro.cli(Options, description=__doc__)
    if options.keep_memory:
        keep_memory()
    main(options)
