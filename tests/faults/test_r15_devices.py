"""Row 15: saved on some number of devices, gone on with on another: the same leaves, and almost the same losses."""

import json
import shutil

import numpy as np
import pytest
from children import Child
from halves import go_on, plans, save

CLOSE = 1e-5


def agree(ends, starts, card):
    """Compare each second half with the first half and the whole run that it comes from."""
    worst = 0.0
    for (saved, resumed), found in ends.items():
        assert found["leaves"] == starts[saved]["leaves"], (saved, resumed)
        gap = np.abs(np.array(found["losses"]) - starts[saved]["losses"]).max()
        assert gap <= CLOSE, (saved, resumed)
        worst = max(worst, gap)
    pairs = f"{len(ends)} of {len(ends)}"
    card(
        "r15",
        "saved on m devices, restored on n: leaves bit-identical; losses after it",
        f"{pairs}; within {worst:.1g}",
    )


def test_r15_on_some_of_four_devices_short(tmp_path, card):
    on = plans((1, 4))
    starts = {count: save(tmp_path / f"{count}", plan) for count, plan in on.items()}
    assert starts[1]["leaves"].keys() == starts[4]["leaves"].keys()
    agree({(m, n): go_on(tmp_path / f"{m}", on[n]) for m, n in ((1, 4), (4, 1))}, starts, card)


@pytest.mark.slow
def test_r15_processes_of_1_2_4_and_8_devices(tmp_path, card):
    counts, starts, ends = (1, 2, 4, 8), {}, {}

    def run(count, *folders):
        out = tmp_path / "out"
        env = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}", "NPROC": "16"}
        child = Child("devices.py", (out, *folders), env)
        assert child.end() == 0, child.complaint
        return json.loads(out.read_text(encoding="utf-8"))

    for count in counts:
        (starts[count],) = run(count, tmp_path / f"{count}")
    for resumed in counts:
        copies = [shutil.copytree(tmp_path / f"{saved}", tmp_path / f"{saved}-{resumed}") for saved in counts]
        for saved, found in zip(counts, run(resumed, *copies), strict=True):
            ends[saved, resumed] = found
    assert len(ends) == 16
    agree(ends, starts, card)
