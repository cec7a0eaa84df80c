"""A run that was stopped goes on as if it had not been, bit for bit; another run's checkpoint is refused by name."""

from dataclasses import replace
from pathlib import Path

import jax
import pytest
from small import Stopped, bare, dataset, recipe, same, stop_at

from jaxtricks.checkpoint import CheckpointMismatchError, Checkpoints
from jaxtricks.models import Model
from jaxtricks.train import Plan, fit, session

ONE = Plan(devices=(jax.devices()[0],))


@pytest.fixture(scope="module")
def unbroken():
    return fit(recipe(), dataset(), seeds=(3,), plan=ONE)[0]


@pytest.mark.parametrize(
    ("step", "every"), [(3, 2), *(pytest.param(*at, marks=pytest.mark.slow) for at in ((8, None), (9, 4), (17, 1)))]
)
def test_resumed_is_unbroken_bit_for_bit(unbroken, tmp_path, monkeypatch, step, every):
    monkeypatch.setattr(session, "PROGRESS", 0.0)
    with pytest.raises(Stopped):
        fit(recipe(), dataset(), seeds=(3,), plan=ONE, folder=tmp_path, save_every=every, log=[stop_at(step)])
    run = fit(recipe(), dataset(), seeds=(3,), plan=ONE, folder=tmp_path, save_every=every)[0]
    same(run.state, unbroken.state)
    assert run.test == unbroken.test
    assert [r["train_loss"] for r in run.history] == [r["train_loss"] for r in unbroken.history]
    again = fit(recipe(), dataset(), seeds=(3,), plan=ONE, folder=tmp_path)[
        0
    ]  # finished: nothing is trained, all is there
    same(again.state, unbroken.state)


@pytest.mark.slow
def test_seeds_together_resume_too(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "PROGRESS", 0.0)
    plan = Plan(seeds_on="devices")
    whole = fit(recipe(), dataset(), seeds=(1, 2), plan=plan)
    with pytest.raises(Stopped):
        fit(recipe(), dataset(), seeds=(1, 2), plan=plan, folder=tmp_path, log=[stop_at(12)])
    runs = fit(recipe(), dataset(), seeds=(1, 2), plan=plan, folder=tmp_path)
    for a, b in zip(runs, whole, strict=True):
        same(a.state, b.state)


def test_another_recipe_is_refused_by_name(tmp_path):
    plain = bare(model=linear, epochs=1.0)
    fit(plain, dataset(), folder=tmp_path)
    with pytest.raises(CheckpointMismatchError, match=r"recipe\.lr is"):
        fit(replace(plain, lr=0.03), dataset(), folder=tmp_path)


def test_other_labels_and_another_teacher_are_refused_by_name(tmp_path):
    teacher = bare(model=linear)
    taught = replace(teacher, loss=lambda params, out, batch: ((out[0] - batch["teacher"]) ** 2).mean(1))
    student, weights = replace(taught, teacher=teacher, epochs=1.0), linear().init(jax.random.key(0))
    source = dataset()
    fit(student, source, teacher=weights, folder=tmp_path)
    fit(student, source, teacher=weights, folder=tmp_path)
    with pytest.raises(CheckpointMismatchError, match="teacher is"):
        fit(student, source, teacher=linear().init(jax.random.key(1)), folder=tmp_path)
    split = replace(source.train, columns={**source.train.columns, "label": source.train["label"][::-1].copy()})
    with pytest.raises(CheckpointMismatchError, match="data is"):
        fit(student, replace(source, train=split), teacher=weights, folder=tmp_path)


def test_another_start_is_refused_by_name(tmp_path):
    student, source = bare(model=linear, epochs=1.0), dataset()
    first, second = (linear().init(jax.random.key(seed)) for seed in (0, 1))
    fit(student, source, initial=first, folder=tmp_path)
    fit(student, source, initial=first, folder=tmp_path)
    with pytest.raises(CheckpointMismatchError, match="initial is"):
        fit(student, source, initial=second, folder=tmp_path)
    with pytest.raises(CheckpointMismatchError, match="initial is"):
        fit(student, source, folder=tmp_path)


def test_a_path_is_no_url(tmp_path):
    with pytest.raises(ValueError, match="allowed: a path, or a URL as text"):
        fit(bare(model=linear), dataset(), folder=Path("gs://bucket/run"))


def test_an_error_waits_for_the_checkpoint_that_is_being_written(tmp_path):
    def stop(record):
        if record["kind"] == "epoch" and record["step"] == 16:
            raise Stopped

    with pytest.raises(Stopped):
        fit(bare(model=linear, epochs=3.0), dataset(), folder=tmp_path, asynchronous=True, log=[stop])
    assert not list((tmp_path / "seed0").glob(".saving/*"))
    assert Checkpoints(tmp_path / "seed0").latest() == 8


def linear(**_):
    def apply(params, stats, image, *, train, key=None):
        return (image.reshape(len(image), -1) @ params["kernel"], {}), stats

    return Model(lambda key: ({"kernel": jax.random.normal(key, (192, 10))}, {}), apply)


def test_a_leaf_that_differs_is_named(tmp_path):
    state = {"a": jax.numpy.ones((2, 3)), "b": jax.numpy.zeros(4, jax.numpy.int32)}
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(1, state, {"x": 1})
    for like, words in [
        ({**state, "a": jax.numpy.ones((3, 2))}, r"\['a'\] is float32\[2, 3\]; wanted: float32\[3, 2\]"),
        ({**state, "b": jax.numpy.zeros(4)}, r"\['b'\] is int32\[4\]; wanted: float32\[4\]"),
        ({**state, "c": jax.numpy.zeros(4)}, r"has no leaf \['c'\]"),
        ({"a": state["a"]}, r"has a leaf \['b'\]"),
    ]:
        with pytest.raises(CheckpointMismatchError, match=words):
            checkpoints.restore(like, wanted={})
    restored, meta = checkpoints.restore(jax.tree.map(jax.numpy.zeros_like, state), wanted={"x": 1})
    same(restored, state)
    assert meta == {"x": 1}
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        Checkpoints(tmp_path / "d").restore(state, wanted={})


def test_a_relative_folder_is_taken_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints = Checkpoints("here")
    checkpoints.save(5, {"a": jax.numpy.ones(2)}, {})
    assert checkpoints.latest() == 5
    assert (tmp_path / "here" / "5").is_dir()
