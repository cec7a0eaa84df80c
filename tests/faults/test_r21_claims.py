"""Row 21: several processes on one folder: no cell is trained twice at once, a killed one's cells are taken over."""

import json

import pytest
from children import Child, free_port

ROWS, SEEDS = 4, 3


def trained(*children):
    return [number for child in children for word, number in child.said if word == "trained"]


def test_r21_processes_divide_the_cells_and_what_a_killed_one_had_is_taken_over(tmp_path, card):
    killed, other = (Child("sharers.py", (tmp_path, SEEDS, 0.3)) for _ in range(2))
    while killed.until("train") != -1 and not trained(killed):  # in the middle of its second cell
        pass
    killed.kill()
    assert other.end() == 0, other.complaint
    assert "twice" not in [word for child in (killed, other) for word, _ in child.said]
    assert other.last("missing") == 0
    count = len(trained(killed, other))
    assert count in (ROWS * SEEDS, ROWS * SEEDS + 1)  # one may have been trained, and not written
    assert not list((tmp_path / "cells").glob("*.claim-*"))
    shares = f"{len(trained(killed))} by the one, {len(trained(other))} by the other"
    card("r21", f"two processes on {ROWS * SEEDS} cells, one killed: none trained twice at once, none missing", shares)


@pytest.mark.slow
def test_r21_nothing_is_trained_twice_where_nobody_is_killed(tmp_path, card):
    children = [Child("sharers.py", (tmp_path, SEEDS, 0.2)) for _ in range(3)]
    assert [child.end() for child in children] == [0] * 3, [child.complaint for child in children]
    assert "twice" not in [word for child in children for word, _ in child.said]
    assert [child.last("missing") for child in children] == [0] * 3
    assert len(trained(*children)) == ROWS * SEEDS
    assert not list((tmp_path / "cells").glob("*.claim-*"))
    shares = " + ".join(str(len(trained(child))) for child in children)
    card("r21", f"three processes on {ROWS * SEEDS} cells: each trained once", shares)


@pytest.mark.slow
def test_r21_two_processes_of_one_run_train_the_rows_together(tmp_path, card):
    """By jax.distributed: one of them claims, both train, one folder."""
    port = free_port()
    children = [Child("sharers.py", (tmp_path, 1, 0, port, index)) for index in (0, 1)]
    assert [child.end() for child in children] == [0, 0], [child.complaint for child in children]
    assert [child.last("processes") for child in children] == [2, 2]
    assert [child.last("missing") for child in children] == [0, 0]
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "cells").glob("*.json")]
    assert len(cells) == ROWS
    assert not any("error" in cell for cell in cells)
    card("r21", "two processes of one run on a ladder: all rows trained together", f"{ROWS} cells")
