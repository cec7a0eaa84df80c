"""Claims: one process a cell, stale ones taken over, by the process where it can be seen and else by the clock."""

import json
import os
import threading

import pytest

from jaxtricks.ablation import claims
from jaxtricks.ablation.claims import Claims


@pytest.fixture
def elsewhere(monkeypatch):
    """Claims as another machine makes them."""

    def make(folder, **options):
        own = claims._this_process
        monkeypatch.setattr(claims, "_this_process", lambda: {"machine": "another", "pid": 1, "started": "1"})
        other = Claims(folder, **options)
        taken = other.take("a-seed0")
        monkeypatch.setattr(claims, "_this_process", own)
        return other, taken

    return make


def test_a_cell_is_taken_once_and_again_when_it_was_given_back(tmp_path):
    one, two = Claims(tmp_path), Claims(tmp_path)
    assert one.take("a-seed0")
    assert not two.take("a-seed0")
    assert not one.take("a-seed0")
    assert two.take("b-seed0")
    assert (one.elsewhere(), two.elsewhere()) == ({"b-seed0"}, {"a-seed0"})
    one.release("a-seed0")
    assert two.take("a-seed0")
    two.close()
    assert [path.name for path in tmp_path.iterdir()] == []
    one.release("never taken")


def test_of_many_that_ask_at_once_one_gets_it(tmp_path):
    barrier, got = threading.Barrier(8), []

    def ask():
        mine = Claims(tmp_path)
        barrier.wait()
        got.append(mine.take("a-seed0"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]


@pytest.mark.parametrize("process", [{"pid": 2**22 + 1, "started": "1"}, {"pid": os.getpid(), "started": "1"}])
def test_a_process_of_this_machine_that_is_gone_is_known_at_once(tmp_path, process):
    """By its number, and by when it was started, where the number is another process's now."""
    here = claims._this_process()["machine"]
    (tmp_path / "a-seed0.claim-0").write_text(json.dumps({"machine": here, **process}), encoding="utf-8")
    mine, late = Claims(tmp_path), Claims(tmp_path)
    assert mine.take("a-seed0")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a-seed0.claim-0", "a-seed0.claim-1"]
    assert not late.take("a-seed0")
    mine.release("a-seed0")
    assert not list(tmp_path.iterdir())


def test_a_claim_of_another_machine_is_stale_without_a_heartbeat(tmp_path, elsewhere):
    _, taken = elsewhere(tmp_path, heartbeat=1e6)
    claim = tmp_path / "a-seed0.claim-0"
    assert taken
    mine = Claims(tmp_path, stale=60)
    assert not mine.take("a-seed0")
    now = claim.stat().st_mtime
    os.utime(claim, (now - 59, now - 59))
    assert not mine.take("a-seed0")
    os.utime(claim, (now - 61, now - 61))
    assert mine.take("a-seed0")


def test_who_was_asleep_knows_that_its_cell_is_another_s(tmp_path, elsewhere):
    mine, done = Claims(tmp_path, stale=60), False
    assert mine.take("a-seed0")
    (claim,) = tmp_path.iterdir()
    assert not mine.taken_over("a-seed0", lambda: done)
    # as another machine sees it after a minute: this one's process says nothing there
    claim.write_text(json.dumps({"machine": "this one", "pid": 1, "started": "1"}))
    os.utime(claim, (0, 0))
    other, taken = elsewhere(tmp_path, stale=60)
    assert taken
    assert mine.taken_over("a-seed0", lambda: done)
    (newer,) = (path for path in tmp_path.iterdir() if path != claim)
    os.utime(newer, (0, 0))  # it is gone too: what this one has is all there is
    assert not mine.taken_over("a-seed0", lambda: done)
    other.release("a-seed0")  # it was stopped and has written nothing,
    assert list(tmp_path.iterdir()) == []
    assert not mine.taken_over("a-seed0", lambda: done)
    done = True  # or it has
    assert mine.taken_over("a-seed0", lambda: done)
    mine.release("a-seed0")
    assert not mine.taken_over("a-seed0", lambda: done)


def test_a_claim_that_is_being_written_is_one(tmp_path):
    (tmp_path / "a-seed0.claim-0").touch()
    assert not Claims(tmp_path).take("a-seed0")


def test_the_heartbeat_touches_what_is_held(tmp_path):
    mine = Claims(tmp_path, heartbeat=0.01)
    mine.take("a-seed0")
    claim = tmp_path / "a-seed0.claim-0"
    os.utime(claim, (0, 0))
    for _ in range(1000):
        if claim.stat().st_mtime > 0:
            break
        threading.Event().wait(0.01)
    assert claim.stat().st_mtime > 0
    mine.close()


def test_a_claim_on_the_wrong_generation_is_given_up(tmp_path, monkeypatch):
    """The stale claim that was seen was given back by who took it over, and taken again, before this one was made."""
    first, late = Claims(tmp_path), Claims(tmp_path)
    assert first.take("a-seed0")
    monkeypatch.setattr(late, "_newest", lambda name: (4, None))
    assert not late.take("a-seed0")
    assert [path.name for path in tmp_path.iterdir()] == ["a-seed0.claim-0"]


def test_who_waits_gets_the_cell_or_sees_it_done(tmp_path, monkeypatch):
    one, two = Claims(tmp_path), Claims(tmp_path)
    monkeypatch.setattr(claims, "AGAIN", 0.001)
    one.take("a-seed0")
    looks = iter([False, False, True])
    assert two.wait("a-seed0", lambda: next(looks)) is False
    threading.Timer(0.02, lambda: one.release("a-seed0")).start()
    assert two.wait("a-seed0", lambda: False) is True
    looks = iter([False, True])  # done between the look and the claim
    assert two.wait("b-seed0", lambda: next(looks)) is False
    assert not (tmp_path / "b-seed0.claim-0").exists()
