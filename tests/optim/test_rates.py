import pytest

from jaxtricks.optim import scaled_lr


@pytest.mark.parametrize(
    ("base", "batch", "options", "expected"),
    [
        (0.1, 256, {}, 0.1),
        (0.1, 1024, {}, 0.4),
        (0.1, 64, {}, 0.025),
        (0.1, 1024, {"rule": "sqrt"}, 0.2),
        (0.1, 1024, {"rule": "none"}, 0.1),
        (0.3, 128, {"per": 32, "rule": "sqrt"}, 0.6),
    ],
)
def test_by_hand(base, batch, options, expected):
    assert scaled_lr(base, batch, **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rule", ["linear", "sqrt", "none"])
def test_scaling_twice_is_scaling_once(rule):
    there = scaled_lr(0.1, 512, rule=rule)
    assert scaled_lr(there, 2048, per=512, rule=rule) == pytest.approx(scaled_lr(0.1, 2048, rule=rule), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("base", lambda: scaled_lr(0.0, 256)),
        ("batch", lambda: scaled_lr(0.1, 0)),
        ("per", lambda: scaled_lr(0.1, 256, per=-1)),
        ("rule", lambda: scaled_lr(0.1, 256, rule="cubic")),
    ],
)
def test_bad_arguments(name, call):
    with pytest.raises(ValueError, match=f"^{name} is"):
        call()
