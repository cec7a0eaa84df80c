"""Row 4: one flipped bit in the newest checkpoint is found before any weight is used."""

import random
import warnings

import orbax.checkpoint as ocp
import pytest
from stores import files, fill, same, state

from jaxtricks.checkpoint import Checkpoints, CheckpointWarning


@pytest.mark.parametrize("trials", [pytest.param(20, id="short"), pytest.param(200, id="full", marks=pytest.mark.slow)])
def test_r04_one_flipped_bit(tmp_path, monkeypatch, trials, card):
    fill(tmp_path, 1, 2)
    paths = files(tmp_path / "2")
    sizes = [path.stat().st_size for path in paths]
    draw = random.Random(trials)
    read, silent, warned = [], 0, 0

    def watched(checkpointer, place, *args, real=ocp.Checkpointer.restore, **kwargs):
        read.append(place.name)
        return real(checkpointer, place, *args, **kwargs)

    monkeypatch.setattr(ocp.Checkpointer, "restore", watched)
    for trial in range(trials):
        # in turn: any file alike, so that the small ones are hit too, and any bit alike, so that the weights are
        path = draw.choice(paths) if trial % 2 else draw.choices(paths, sizes)[0]
        before = path.read_bytes()
        flipped = bytearray(before)
        flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            got, meta = Checkpoints(tmp_path).restore(state(0), wanted={})
        warned += any(issubclass(w.category, CheckpointWarning) for w in caught)
        silent += meta["step"] != 1
        same(got, state(meta["step"]))
        path.write_bytes(before)
    card("r04", "one flipped bit in the newest checkpoint: silent loads of it", f"{silent} of {trials}")
    assert (silent, warned) == (0, trials)
    assert set(read) == {"1"}  # orbax has not opened the other
