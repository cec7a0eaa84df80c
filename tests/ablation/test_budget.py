"""A budget of minutes, on a clock that the test moves: which blocks there are, and what a later command adds."""

import pytest

from jaxtricks.ablation.budget import MOST, Budget, block_size
from jaxtricks.ablation.clock import PARTS, Clock, minutes


class Hours:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Command:
    """One command: it starts for 10 s, compiles for 20, and takes 10 s for each seed of all rows."""

    def __init__(self, folder, there, *, minutes=None, most=None, block=1, seconds=10.0, good=1, start=0, **more):
        self.time, self.there, self.seconds, self.good = Hours(), there, seconds, good
        self.clock = Clock(now=self.time)
        work = lambda seeds: float(len(set(seeds) - there))  # noqa: E731
        parts = {"minutes": minutes, "most": most, "start": start, "block": block, **more}
        self.budget = Budget(folder / "a.budget", work=work, one=1.0, clock=self.clock, **parts)

    def run(self, *, stop_after=None):
        """The seeds that were trained, block by block."""
        self.time.now += 10
        blocks, seeds, work = [], self.budget.first(), 0
        while seeds:
            missing = [seed for seed in seeds if seed not in self.there]
            if missing:
                self.clock.log({"kind": "rung"})
                self.time.now += 0 if work else 20
                self.clock.log({"kind": "start"})
                self.time.now += self.seconds * len(missing)
                self.clock.turn("compile")
                self.there |= set(missing)
                work += len(missing)
                blocks.append(missing)
            pace = self.clock.seconds("train") / work if work else 0.0
            if stop_after is not None and len(blocks) == stop_after:
                break
            self.budget.finished(seeds, pace=pace, good=self.good)
            seeds = self.budget.next()
        self.budget.save(pace=pace)
        return blocks


@pytest.mark.parametrize(
    ("limit", "seconds", "blocks", "ends"),
    [
        (1.0, 10.0, [[0, 1], [2]], 60),  # 10 + 20 + 3 x 10 s fit exactly
        (0.99, 10.0, [[0, 1]], 50),
        (0.1, 10.0, [[0, 1]], 50),  # two seeds are the least
        (2.0, 10.0, [[0, 1], [2], [3], [4], [5], [6], [7], [8]], 120),
        (4.0, 100.0, [[0, 1]], 230),
    ],
)
def test_blocks_are_trained_until_the_next_would_not_fit(tmp_path, limit, seconds, blocks, ends):
    command = Command(tmp_path, set(), minutes=limit, seconds=seconds)
    assert command.run() == blocks
    assert command.time.now == ends
    assert command.budget.plain() == {
        "minutes": limit,
        "seeds": blocks[-1][-1] + 1,
        "stopped": "one more block would not have fitted into the minutes",
        "block": 1,
    }


def test_the_first_seed_may_be_one_that_no_table_has_had(tmp_path):
    command = Command(tmp_path, set(), minutes=1.0, start=24)
    assert command.run() == [[24, 25], [26]]
    assert command.budget.plain()["seeds"] == 3
    assert command.budget.trained == range(24, 27)
    without_minutes = Command(tmp_path / "no", {24}, most=3, start=24).budget
    assert (without_minutes.first(), without_minutes.planned) == (range(24, 26), range(24, 27))
    assert Command(tmp_path, set(range(24, 98)), minutes=1e6, block=2, start=24).run() == [[98, 99]]


def test_seeds_that_a_command_with_another_first_one_left_do_not_join_the_table(tmp_path):
    there = set()
    assert Command(tmp_path, there, minutes=1.0).run() == [[0, 1], [2]]
    there |= {3, 4, 5}
    again = Command(tmp_path, there, minutes=1.0)
    assert again.run() == []
    assert again.budget.trained == range(3)


def test_the_same_command_adds_nothing_and_one_with_more_minutes_adds_blocks(tmp_path):
    there = set()
    assert Command(tmp_path, there, minutes=1.0).run() == [[0, 1], [2]]
    for _ in range(2):
        again = Command(tmp_path, there, minutes=1.0)
        assert again.run() == []
        assert again.budget.seeds == 3
    assert Command(tmp_path, there, minutes=0.5).run() == []  # what is there is used, though it cost more
    # 120 s of which 60 are spent: 10 to start, 20 to compile, 3 seeds
    assert Command(tmp_path, there, minutes=2.0).run() == [[3], [4], [5]]
    assert Command(tmp_path, there, minutes=2.0).run() == []


def test_a_cell_that_was_lost_is_trained_again_and_no_other(tmp_path):
    there = set()
    Command(tmp_path, there, minutes=1.0).run()
    there.discard(1)
    assert Command(tmp_path, there, minutes=1.0).run() == [[1]]


def test_a_command_that_was_interrupted_leaves_the_rest_of_its_minutes(tmp_path):
    there = set()
    assert Command(tmp_path, there, minutes=2.0).run(stop_after=2) == [[0, 1], [2]]
    # 60 s are left: 10 + 20 + 3 x 10
    assert Command(tmp_path, there, minutes=2.0).run() == [[3], [4], [5]]


@pytest.mark.parametrize(
    ("most", "limit", "block", "blocks", "stopped"),
    [
        (5, None, 1, [[0, 1], [2], [3], [4]], "as many as were asked for"),
        (5, None, 4, [[0, 1, 2, 3], [4]], "as many as were asked for"),
        (1, None, 1, [[0]], "as many as were asked for"),
        (3, 9.0, 1, [[0, 1], [2]], "3 seeds are the most"),
        (1, 9.0, 1, [[0]], "1 seeds are the most"),
        (None, 1.5, 4, [[0, 1, 2, 3]], "one more block would not have fitted into the minutes"),
        (5, 9.0, 4, [[0, 1, 2, 3], [4]], "5 seeds are the most"),
        (None, 1e6, 50, [list(range(50)), list(range(50, 100))], f"{MOST} seeds are the most"),
    ],
)
def test_seeds_end_it_too_and_groups_stay_together(tmp_path, most, limit, block, blocks, stopped):
    command = Command(tmp_path, set(), minutes=limit, most=most, block=block)
    assert command.run() == blocks
    assert command.budget.stopped == stopped


def test_where_every_row_fails_no_other_block_is_begun(tmp_path):
    command = Command(tmp_path, set(), minutes=60.0, good=0)
    assert command.run() == [[0, 1]]
    assert command.budget.stopped == "every row failed"


def test_more_blocks_are_foreseen_as_long_as_they_fit(tmp_path):
    budget = Command(tmp_path, set(), minutes=2.0).budget
    assert budget.seconds_of_more(50.0, pace=10.0) == 70.0  # of 120 s: seven seeds of 10 s
    assert budget.seconds_of_more(50.0, pace=40.0) == 40.0
    assert budget.seconds_of_more(130.0, pace=10.0) == 0.0


def test_blocks_that_come_without_minutes_are_foreseen_too(tmp_path):
    budget = Command(tmp_path, {8}, most=9).budget
    assert budget.first() == range(2)
    assert budget.seconds_of_more(20.0, pace=10.0) == 60.0  # seeds 2 to 7
    budget.finished(range(2), pace=10.0, good=2)
    assert budget.next() == range(2, 3)
    assert budget.seconds_of_more(20.0, pace=10.0) == 50.0


def test_several_processes_do_not_wait_for_each_other_at_every_block(tmp_path):
    others = iter([False, True, False])
    command = Command(tmp_path, set(), most=6, at_once=lambda: next(others))
    assert command.run() == [[0, 1], [2, 3, 4, 5]]  # another process came
    assert Command(tmp_path / "a", set(), minutes=1.0, at_once=lambda: True).budget.first() == range(2)


def test_a_file_that_is_cut_off_is_no_budget(tmp_path):
    (tmp_path / "a.budget").write_text('{"seconds": 3')
    assert Command(tmp_path, set(), minutes=1.0).budget.limit == 60.0


@pytest.mark.parametrize(
    ("seeds_on", "devices", "size"), [("map", 4, 1), ("vmap", 1, 4), ("devices", 2, 2), ("devices", 64, 8)]
)
def test_seeds_that_step_together_are_one_block(seeds_on, devices, size):
    assert block_size(seeds_on, devices) == size


def test_every_second_belongs_to_one_part():
    time = Hours()
    clock = Clock(now=time, age=3.0)
    epoch = {"kind": "epoch", "seconds": 4.0}
    for seconds, record in [
        (2, {"kind": "rung"}),  # 3 + 2 s of start
        (6, {"kind": "start"}),
        (5, epoch),  # 4 s of steps, 1 of evaluation
        (0, epoch),  # of the seed beside it
        (5, epoch),
        (2, {"kind": "end"}),  # the test set
        (1, {"kind": "start"}),  # the state of the next seed
        (7, {"kind": "failed"}),
    ]:
        time.now += seconds
        clock.log(record)
    time.now += 1
    clock.turn("report")
    time.now += 2
    assert clock.spent() == {"start": 5.0, "compile": 8.0, "train": 15.0, "evaluate": 4.0, "report": 2.0}
    assert clock.seconds() == clock.elapsed == 34.0
    assert tuple(clock.spent()) == PARTS
    assert minutes(187.9) == "3:07"
