"""Forms of a training step beside the step as it is: which are measured, what they compute, what is said of them."""

from types import SimpleNamespace

import jax
import pytest

from benchmarks import _accelerator_rows, accelerator, train_step

FORMS = {"autodiff": True, "scan": 8, "keep": True, "flags": ("a=true", "b=2")}


def test_each_form_differs_from_the_step_by_itself_alone():
    forms = train_step.other_forms(train_step.Options(steps=8, **FORMS))
    assert list(forms) == ["autodiff", "scan of 8", "state kept", "a=true, b=2"]
    alone = train_step.Options(steps=8)
    other = [options for _, options in forms.values()]
    assert other[0] == alone
    assert [(o.scan, o.keep, o.flags) for o in other[1:]] == [(8, False, ()), (1, True, ()), (1, False, FORMS["flags"])]
    assert list(train_step.other_forms(train_step.Options(plain=("conv", "norm")))) == ["plain conv norm"]
    assert not train_step.other_forms(alone)


def test_forms_are_measured_in_turns_with_the_step(monkeypatch):
    """A step takes 0.2 s, under scan 0.1 s, with a flag 0.4 s; each form says what it compiled and moved."""
    seconds = {(1, ()): 0.2, (2, ()): 0.1, (1, ("x=1",)): 0.4}

    def jax_side(options):
        step = seconds[options.scan, options.flags]
        costs = {"start_seconds": 1.0, "start_processor_seconds": 9 * step, "bytes_per_image": 1e6 * step}
        return lambda steps: step * steps, {"macs": 1, **costs}

    monkeypatch.setattr(train_step, "jax_side", jax_side)
    options = train_step.Options(batch=4, steps=2, turns=1, peer=False, scan=2, flags=("x=1",))
    figures = train_step.main(options)
    assert figures["images_per_second"] == pytest.approx({"jaxtricks": 20, "scan of 2": 40, "x=1": 10})
    assert {name: ratio["median"] for name, ratio in figures["ratios"].items()} == pytest.approx(
        {"jaxtricks": 1.0, "scan of 2": 0.5, "x=1": 2.0}
    )
    assert (figures["bytes_per_image"], figures["bytes_per_image_x=1"]) == (2e5, 4e5)
    words = _accelerator_rows.step_words(figures)
    assert words == (
        "jaxtricks 20 images/s, scan of 2 40 images/s, x=1 10 images/s; 0.50 x scan of 2 (0.50 to 0.50); "
        "2.00 x x=1 (2.00 to 2.00); 0 MB an image"
    )


def test_the_share_of_the_peak_is_that_of_the_precision(monkeypatch):
    """6e9 operations an image at 10 images a second are 6 % of 1e12; on an accelerator, a TPU too."""
    asked = []

    def products(size, turns, **precision):
        asked.append(precision)
        return 1e12

    costs = {"start_seconds": 1.0, "start_processor_seconds": 1.0, "bytes_per_image": None}
    monkeypatch.setattr(train_step, "products", products)
    monkeypatch.setattr(train_step, "jax_side", lambda options: (lambda steps: 0.1 * steps, {"macs": 1e9, **costs}))
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    figures = train_step.main(train_step.Options(batch=1, peer=False, precision="tf32"))
    assert asked == [{"dtype": "float32", "precision": "tensorfloat32"}]
    assert figures["mfu"] == pytest.approx(0.06)
    assert "MFU 6 % of the peak in tf32" in _accelerator_rows.step_words(figures)


def test_what_is_typed_is_taken_as_xla_wants_it():
    assert train_step.compiler_options(("a=true", "b=false", "c=10", "d=x=y")) == {
        "a": True,
        "b": False,
        "c": 10,
        "d": "x=y",
    }
    with pytest.raises(SystemExit, match="--flags is a; allowed: name=value"):
        train_step.main(train_step.Options(flags=("a",)))
    with pytest.raises(SystemExit, match="--scan is 3; allowed: a divisor of --steps, 10"):
        train_step.main(train_step.Options(scan=3))


class BlindTorch:
    """Stands for a torch that sees no accelerator."""

    __version__ = "9"
    cuda = SimpleNamespace(is_available=lambda: False)
    device = staticmethod(lambda name: SimpleNamespace(type=name))


def test_a_torch_on_the_cpu_is_no_peer_of_an_accelerator(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(train_step, "module", lambda name: BlindTorch)
    sides, said = train_step.torch_sides(train_step.Options())
    assert not sides
    assert said == "torch 9 sees no accelerator: not measured"


def test_a_row_of_suppression_without_a_peer_has_a_time_alone():
    rows = {"nms, 1000 boxes": {"ours_ms": 1.0, "ratio": 0.5}, "nms, 64 x 10 boxes": {"ours_ms": 2.0, "ratio": None}}
    assert _accelerator_rows.nms_words({"rows": rows}) == "1000 boxes 1.00 ms, x 0.50; 64 x 10 boxes 2.00 ms"


def test_data_that_cannot_be_read_leave_a_row_out(tmp_path):
    row = next(row for row in _accelerator_rows.ROWS if row.name == "ladder")
    options = accelerator.Options(tmp_path, data=str(tmp_path / "no such folder"))
    assert accelerator.reason(row, options) == f"left out: {options.data}: no such file or folder."
    assert not accelerator.reason(row, accelerator.Options(tmp_path, data="digits"))
    assert not accelerator.reason(row, accelerator.Options(tmp_path, data="no such set", toy=True))
