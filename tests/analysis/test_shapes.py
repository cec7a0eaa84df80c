"""Sizes and receptive fields along one axis."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtricks.analysis import Window, output_size, receptive_field

LAYER = st.builds(
    Window, kernel=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 3)
)


def positions(size, window):
    """Where the windows start, by trying; a start below 0 lies in the padding."""
    last = size + window.padding - window.dilation * (window.kernel - 1) - 1
    return list(range(-window.padding, last + 1, window.stride))


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 30), window=LAYER)
def test_output_size_counts_the_windows_that_fit(size, window):
    count = len(positions(size, window))
    if count:
        assert output_size(size, **window._asdict()) == count
    else:
        with pytest.raises(ValueError, match=r"^kernel "):
            output_size(size, **window._asdict())


@pytest.mark.parametrize(
    ("options", "floor", "ceil"),
    [
        ({"size": 224, "kernel": 7, "stride": 2, "padding": 3}, 112, 113),
        ({"size": 112, "kernel": 3, "stride": 2}, 55, 56),
        ({"size": 5, "kernel": 2, "stride": 2}, 2, 3),
        ({"size": 5, "kernel": 1, "stride": 3}, 2, 2),  # a third window would start beyond the input
        ({"size": 5, "kernel": 3, "dilation": 2}, 1, 1),
        ({"size": 2, "kernel": 2, "stride": 2, "padding": 1}, 2, 2),
        ({"size": 4, "kernel": 1, "stride": 3}, 2, 2),
        ({"size": 5, "kernel": 1, "stride": 5}, 1, 1),
    ],
)
def test_output_size_by_hand(options, floor, ceil):
    assert output_size(**options) == floor
    assert output_size(**options, ceil=True) == ceil


@settings(max_examples=60, deadline=None)
@given(layers=st.lists(LAYER, max_size=4))
def test_receptive_field_holds_exactly_the_inputs_an_output_depends_on(layers):
    field = receptive_field(layers)
    # The set of inputs that each position sees. Those in the padding are carried too, as numbers below 0.
    sees = {i: {i} for i in range(-600, 600)}
    for layer in layers:
        taps = range(0, layer.dilation * layer.kernel, layer.dilation)
        sees = {
            i: set().union(*(sees[i * layer.stride - layer.padding + t] for t in taps))
            for i in sees
            if all(i * layer.stride - layer.padding + t in sees for t in taps)
        }
    for i in (-1, 0, 1):
        assert min(sees[i]) == field.first + i * field.stride
        assert max(sees[i]) == field.first + i * field.stride + field.size - 1


def test_receptive_field_of_known_stacks():
    assert receptive_field([]) == (1, 1, 0)
    assert receptive_field([(3, 1, 1)] * 2) == (5, 1, -2)  # two 3x3 see as far as a 5x5
    assert receptive_field([(3, 1, 1, 1), (3, 1, 2, 2), (3, 1, 4, 4)]).size == 15
    # AlexNet: its last convolution and its last pool.
    alexnet = [(11, 4, 2), (3, 2), (5, 1, 2), (3, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
    assert receptive_field(alexnet)[:2] == (163, 16)
    assert receptive_field([*alexnet, (3, 2)])[:2] == (195, 32)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"size": 0}, "size"),
        ({"kernel": 0}, "kernel"),
        ({"kernel": 9}, "kernel"),
        ({"stride": 0}, "stride"),
        ({"padding": -1}, "padding"),
        ({"dilation": 0}, "dilation"),
        ({"size": 8.5}, "size"),
        ({"stride": 1.5}, "stride"),
    ],
)
def test_bad_input(change, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        output_size(**{"size": 8, "kernel": 3, **change})
    if name != "size" and change != {"kernel": 9}:
        with pytest.raises(ValueError, match=f"^{name} "):
            receptive_field([Window(**{"kernel": 3, **change})])
