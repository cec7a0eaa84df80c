"""Forms of a training step beside the step as it is: which are measured, what they compute, what is said of them."""

from types import SimpleNamespace

import jax
import pytest

from benchmarks import _accelerator_rows, _figures, accelerator, train_step

FLAG = "xla_gpu_graph_min_graph_size=9"
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
    seconds = {(1, ()): 0.2, (2, ()): 0.1, (1, (FLAG,)): 0.4}

    def jax_side(options):
        step = seconds[options.scan, options.flags]
        costs = {"start_seconds": 1.0, "start_processor_seconds": 9 * step, "bytes_per_image": 1e6 * step}
        return lambda steps: step * steps, {"macs": 1, **costs}

    monkeypatch.setattr(train_step, "jax_side", jax_side)
    options = train_step.Options(batch=4, steps=2, turns=1, peer=False, scan=2, flags=(FLAG,))
    figures = train_step.main(options)
    assert figures["images_per_second"] == pytest.approx({"jaxtricks": 20, "scan of 2": 40, FLAG: 10})
    assert {name: ratio["median"] for name, ratio in figures["ratios"].items()} == pytest.approx(
        {"jaxtricks": 1.0, "scan of 2": 0.5, FLAG: 2.0}
    )
    assert (figures["bytes_per_image"], figures[f"bytes_per_image_{FLAG}"]) == (2e5, 4e5)
    words = _accelerator_rows.step_words(figures)
    assert words == (
        f"jaxtricks 20 images/s, scan of 2 40 images/s, {FLAG} 10 images/s; 0.50 x scan of 2 (0.50 to 0.50); "
        f"2.00 x {FLAG} (2.00 to 2.00); 0 MB an image"
    )


def test_the_share_of_the_peak_is_that_of_the_precision(monkeypatch):
    """6e9 operations an image at 10 images a second are 6 % of 1e12, the devices' together; a TPU's too."""
    asked = []

    def products(size, turns, **precision):
        asked.append(precision)
        return 1e12

    costs = {"start_seconds": 1.0, "start_processor_seconds": 1.0, "bytes_per_image": None}
    monkeypatch.setattr(train_step, "products", products)
    monkeypatch.setattr(train_step, "jax_side", lambda options: (lambda steps: 0.4 * steps, {"macs": 1e9, **costs}))
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    figures = train_step.main(train_step.Options(batch=4, peer=False, precision="tf32"))
    assert asked == [{"dtype": "float32", "precision": "tensorfloat32"}]
    assert figures["mfu"] == pytest.approx(0.06 / jax.device_count())
    assert f"MFU {6 / jax.device_count():.0f} % of the peak in tf32" in _accelerator_rows.step_words(figures)


def test_what_is_typed_is_taken_as_xla_wants_it():
    """Integers as text, truths not; an empty value is one."""
    expected = {"a": True, "b": False, "c": "10", "d": "x=y", "e": ""}
    assert train_step.compiler_options(("a=true", "b=false", "c=10", "d=x=y", "e=")) == expected
    train_step.check_flags(("xla_gpu_graph_min_graph_size=1000000", "xla_gpu_enable_latency_hiding_scheduler=true"))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"flags": ("a",)}, r"--flags is a; allowed: name=value"),
        ({"flags": ("=a",)}, r"--flags is =a; allowed: name=value"),
        ({"flags": ("xla_no_such=1",)}, r"--flags is xla_no_such=1; allowed: what XLA knows \(.*xla_no_such"),
        ({"scan": 3}, r"--scan is 3; allowed: a divisor of --steps, 10"),
        ({"scan": 2, "parallel": "pmap"}, r"--parallel is pmap; allowed with --scan: jit, shard_map"),
        ({"keep": True, "parallel": "shard_map"}, r"--parallel is shard_map; allowed with --keep and --flags: jit"),
        ({"batch": 7}, r"--batch is 7; allowed: a multiple of 4, one part for each device"),
    ],
)
def test_what_is_typed_wrong_is_refused_before_anything_is_compiled(monkeypatch, typed, message):
    monkeypatch.setattr(train_step, "jax_side", None)
    with pytest.raises(SystemExit, match=message):
        train_step.main(train_step.Options(peer=False, **typed))


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
    words = _accelerator_rows.nms_words({"rows": rows})
    assert words == "1000 boxes 1.00 ms, 0.50 of torchvision's time; 64 x 10 boxes 2.00 ms"


@pytest.mark.parametrize("wrong", ["no such folder", "broken.npz"])
def test_data_that_cannot_be_read_leave_a_row_out(tmp_path, wrong):
    row = next(row for row in _accelerator_rows.ROWS if row.name == "ladder")
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    options = accelerator.Options(tmp_path, data=str(tmp_path / wrong))
    assert accelerator.reason(row, options).startswith(f"left out: {options.data}")
    assert not accelerator.reason(row, accelerator.Options(tmp_path, data=options.data, toy=True))


def test_a_peer_that_fails_to_be_imported_is_missing(tmp_path, monkeypatch):
    (tmp_path / "brokenpeer.py").write_text("raise OSError('libcudart.so.13: no such file')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    peers = [_figures.module(name) for name in ("brokenpeer", "nopeer")]
    fails, missing = r"brokenpeer fails \(libcudart.so.13: no such file\)", "nopeer is not installed"
    for peer, message in zip(peers, (fails, missing), strict=True):
        with pytest.raises(SystemExit, match=rf"{message}, and is measured here; allowed: `pip install "):
            peer.cuda()
