"""The printed tables of the bag of tricks: arithmetic of their cells, signs of the rungs, the paper's own set-up."""

import re
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import bag_of_tricks, efficient, refinements, tweaks
from jaxtricks import ablation, augment, data, models, tasks, train
from jaxtricks.ablation import printed
from jaxtricks.tricks import bag, paper
from jaxtricks.tricks.paper import Cell

NETWORK = partial(models.resnet, models.LAYOUTS["resnet_micro"])
GIVEN = {"task": tasks.classification(10), "augmented": None, "lr": 0.1, "batch": 16, "epochs": 12}


def test_steps_are_the_differences_of_the_printed_cells():
    """The numbers that the documentation quotes, from the cells."""
    large = [paper.step(Cell(4, row, "batch 1,024")) for row in list(paper.TABLES[4])[1:]]
    small = [paper.step(Cell(4, row, "batch 256")) for row in list(paper.TABLES[4])[1:]]
    assert (large, small) == ([0.76, 0.44, -0.34, 0.18], [0.16, 0.16, -0.03, -0.01])
    ends = Cell(3, "efficient", "MobileNet"), Cell(3, "baseline", "MobileNet")
    assert paper.step(ends[0], below=ends[1]) == 2.87
    assert [paper.step(Cell(5, f"ResNet-{x}", "ResNet-50")) for x in "BCD"] == [0.45, 0.21, 0.29]
    mixed = Cell(6, "mixup", "MobileNet")
    assert paper.step(mixed, below=mixed._replace(row="smoothing")) == 0.35
    with pytest.raises(ValueError, match="is the first row of table 5"):
        paper.step(Cell(5, "ResNet-50", "ResNet-50"))
    first = {column: cells[0] for column, cells in paper.TABLES[6]["efficient"].items()}
    efficient = {column: cells[0] for column, cells in paper.TABLES[3]["efficient"].items()}
    assert list(first.values())[1:] == list(efficient.values())[1:]  # one run in two tables


def test_a_rung_carries_its_cells_and_the_sign_that_they_share():
    columns = list(paper.TABLES[6]["cosine"])
    cosine = paper.rung(bag.cosine, *(Cell(6, "cosine", column) for column in columns))
    assert cosine.expected == 1
    assert cosine.paper.startswith("77.16 to 77.91 % (ResNet-50-D, table 6); 77.50 to 78.19 %")
    assert paper.rung(bag.cosine, *(Cell(6, "distillation", column) for column in columns)).expected is None
    assert paper.rung(bag.cosine, Cell(4, "FP16", "batch 256")).expected == 0  # a hundredth of a point
    assert paper.rung(bag.cosine, Cell(4, "no bias decay", "batch 1,024")).expected == -1
    found = [printed.said(verdict, 0.3) for verdict in ("helps", "hurts", "no effect", "not resolved", None)]
    assert found == ["agrees", "disagrees", "disagrees", "not resolved", "not resolved"]


R50D = "ResNet-50-D"
RUNGS = {  # of bag_of_tricks: the cell, and the one below it where that is not the row before
    "large batch": (Cell(4, "linear scaling", "batch 1,024"), Cell(4, "linear scaling", "batch 256")),
    "warm-up": (Cell(4, "warm-up", "batch 1,024"), None),
    "zero gamma": (Cell(4, "zero gamma", "batch 1,024"), None),
    "no bias decay": (Cell(4, "no bias decay", "batch 1,024"), None),
    "low precision": (Cell(4, "FP16", "batch 1,024"), None),
    **{name: (Cell(5, name, "ResNet-50"), None) for name in ("ResNet-B", "ResNet-C", "ResNet-D")},
    "cosine": (Cell(6, "cosine", R50D), None),
    "smoothing": (Cell(6, "smoothing", R50D), None),
    "mixup": (Cell(6, "mixup", R50D), Cell(6, "smoothing", R50D)),
    "distillation": (Cell(6, "distillation, mixup", R50D), None),
}


def test_the_ladder_has_the_signs_of_its_cells_and_carries_them():
    """All but low precision, of which the text says that it changes nothing, and a single run could not tell more."""
    assert list(RUNGS) == list(bag_of_tricks.LADDER)
    for name, (cell, below) in RUNGS.items():
        trick, points = bag_of_tricks.LADDER[name], paper.step(cell, below=below)
        assert f"{paper.top1(cell) - points:.2f} to {paper.top1(cell):.2f}" in trick.paper
        assert f"(table {cell.table})" in trick.paper
        assert trick.expected == (0 if name == "low precision" else np.sign(points)), name
        for first, last in re.findall(r"(\d\d\.\d\d) to (\d\d\.\d\d)", trick.paper):
            columns = [[values[0] for values in column] for column in columns_of(cell.table)]
            assert any({float(first), float(last)} <= set(column) for column in columns), (name, first, last)
    assert abs(paper.step(RUNGS["low precision"][0])) < 2 * 2**0.5 * 0.1  # deviations of a tenth of a point


def columns_of(table):
    """The columns of a table, and of table 4 the step from batch to batch."""
    rows = paper.TABLES[table].values()
    columns = [[row[name] for row in rows] for name in next(iter(rows))]
    return [*columns, [value for row in rows for value in row.values()]] if table == 4 else columns


@pytest.mark.parametrize(("module", "table"), [(efficient, 4), (tweaks, 5), (refinements, 6)])
def test_the_printed_tables_stand_in_the_docstrings(module, table):
    """Accuracy and step of every cell, in the order of rows and columns."""
    lines = [re.findall(r"[+-]?\d+\.\d\d", line) for line in module.__doc__.splitlines()]
    figures = [[float(text) for text in line] for line in lines]
    columns = list(next(iter(paper.TABLES[table].values())))
    for number, row in enumerate(paper.TABLES[table]):
        wanted = []
        for column in columns:
            wanted.append(paper.top1(Cell(table, row, column)))
            wanted += [paper.step(Cell(table, row, column))] if number else []
        assert wanted in figures, row


@pytest.mark.parametrize(
    ("build", "signs"),
    [(models.resnet, [1, 1, 1, 1, 1]), (models.mobilenet, [1, 1, -1, 1, -1]), (models.inception_v3, [1, 1, -1, 1, -1])],
)
def test_the_signs_are_those_of_the_column_of_the_network(build, signs):
    """Table 6: distillation is +0.36 and +0.14 for ResNet-50-D, and below zero, twice, in the other two columns."""
    ladder, said = printed.of_its_column(
        SimpleNamespace(model=build), refinements.LADDER, None, cells=refinements.cells
    )
    assert ([trick.expected for trick in ladder.values()], said) == (signs, [])
    column = paper.COLUMNS[build.__name__]
    assert all(trick.paper.count("%") == 1 and column in trick.paper for trick in ladder.values())
    assert [trick.change for trick in ladder.values()] == [trick.change for trick in refinements.LADDER.values()]


def test_a_network_without_a_column_has_the_signs_on_which_the_three_are_at_one():
    recipe = SimpleNamespace(model=models.plain)
    assert printed.of_its_column(recipe, refinements.LADDER, None, cells=refinements.cells) == (refinements.LADDER, [])
    assert [trick.expected for trick in refinements.LADDER.values()] == [1, 1, None, 1, None]


def test_the_first_step_of_the_papers_warm_up_has_a_rate():
    source, standard = data.fake(train=160, test=16), bag.standard(model=NETWORK, **GIVEN)  # ten steps an epoch
    rate, usual = (train.build_schedule(bag.warm_up(standard, from_zero=zero), source) for zero in (False, True))
    np.testing.assert_allclose([rate(n) for n in range(6)], [0.02, 0.04, 0.06, 0.08, 0.1, 0.1], rtol=1e-5)
    assert float(usual(0)) == 0
    short = bag.warm_up(bag.standard(model=NETWORK, **(GIVEN | {"epochs": 2})), from_zero=False)
    single = train.build_schedule(short, source)  # of one step, which at the peak would be no warm-up
    np.testing.assert_allclose([single(n) for n in (0, 1)], [0, 0.1], rtol=1e-6)


def test_efficient_training_has_its_five_parts():
    recipe = paper.efficient_d(model=NETWORK, **GIVEN)
    assert (recipe.batch, recipe.lr) == (64, pytest.approx(0.4))
    assert recipe.precision == train.FLOAT16
    assert {recipe.model.keywords[switch] for switch in "bcd"} == {True}
    params = jax.eval_shape(train.build_model(recipe, data.fake()).init, jax.random.key(0))[0]
    mask = recipe.optimizer.mask(params)
    assert mask["head"]["kernel"]
    assert not mask["head"]["bias"]
    assert recipe.init is not None
    small = paper.efficient_d(model=models.NETWORKS["mobilenet_v1_mini"], **GIVEN)
    assert paper.family(small) == "mobilenet"
    assert small.init is None


def test_a_teacher_comes_and_goes():
    recipe = bag.smoothing(paper.efficient(model=models.NETWORKS["mobilenet_v1_mini"], **GIVEN))
    taught = paper.taught_by_resnet(recipe, build=NETWORK)
    assert paper.family(taught.teacher) == "resnet"
    assert taught.teacher.model.keywords["d"]
    assert taught.teacher.targets is recipe.targets
    assert paper.without_teacher(taught) == recipe
    with pytest.raises(ValueError, match=r"^recipe.teacher is None"):
        paper.without_teacher(recipe)


def test_hue_saturation_and_brightness_are_scaled_by_a_coefficient_each():
    image = jnp.asarray(np.random.default_rng(0).uniform(0.2, 0.6, (4, 4, 3)), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 64)
    before = augment.rgb_to_hsv(image)
    after = jax.vmap(lambda key: augment.rgb_to_hsv(paper.scaled_colors(key, image)))(keys)
    value = after[..., 2] / before[None, ..., 2]
    assert 0.6 <= float(value.min()) < 0.75
    assert float(value.max()) <= 1.4 + 1e-5
    np.testing.assert_allclose(value, jnp.broadcast_to(value[:, :1, :1], value.shape), rtol=1e-4)  # one for an image
    hue = before[..., 0] < 0.5  # of which no coefficient goes round the circle
    ratio = np.asarray(after[..., 0])[:, hue] / np.asarray(before[..., 0])[hue]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=2e-3)
    assert ratio.min() < 0.75 < 1.25 < ratio.max()


@pytest.mark.parametrize(
    ("name", "expected", "printed"),
    [
        ("resnet_micro", 1, "79.15 to 79.29 %"),
        ("mobilenet_v1_mini", -1, "73.28 to 72.51 % (MobileNet, table 6)"),
        ("inception_v3_mini", -1, "78.77 to 78.34 % (Inception-V3, table 6)"),
        ("plain_mini", None, "79.15 to 79.29 % (ResNet-50-D, table 6); 78.77 to 78.34 % (Inception-V3, table 6)"),
    ],
)
def test_what_is_expected_of_distillation_is_the_step_of_this_network(name, expected, printed):
    recipe = bag.standard(model=models.NETWORKS[name], **GIVEN)
    tricks, _ = bag_of_tricks.ADAPTED(recipe, bag_of_tricks.LADDER, data.fake())
    assert tricks["distillation"].expected == expected
    assert tricks["distillation"].paper.startswith(printed)


@pytest.mark.parametrize("name", ["mobilenet_v1_mini", "inception_v3_mini"])
def test_the_ladder_carries_over_to_networks_that_are_no_resnets(name):
    """The paper's second claim: table 6 has neither zero gamma nor B, C, D there, and a ResNet-D teaches."""
    ladder = bag_of_tricks.LADDER
    recipe = bag.standard(model=models.NETWORKS[name], **GIVEN)
    tricks, said = bag_of_tricks.ADAPTED(recipe, ladder, data.fake())
    left = [rung for rung in ladder if rung not in tricks]
    assert left == ["zero gamma", "ResNet-B", "ResNet-C", "ResNet-D"]
    assert len(said) == 5
    assert all(any(sentence.startswith(rung) for sentence in said) for rung in [*left, "distillation"])
    rows = ablation.variants(recipe, tricks)
    for row in rows:
        assert paper.family(row.recipe) == paper.family(recipe)
    assert paper.family(rows[-1].recipe.teacher) == "resnet"
    assert jax.eval_shape(train.build_model(rows[-1].recipe, data.fake()).init, jax.random.key(0))


def test_a_ladder_in_bfloat16_is_without_the_rung_that_would_change_nothing():
    """Refused before: a trick that leaves the recipe as it was ends the command."""
    recipe = bag.standard(model=models.NETWORKS["resnet_micro"], **GIVEN)
    low = replace(recipe, precision=train.BFLOAT16)
    tricks, said = bag_of_tricks.ADAPTED(low, bag_of_tricks.LADDER, data.fake())
    assert [rung for rung in bag_of_tricks.LADDER if rung not in tricks] == ["low precision"]
    assert said == ["low precision is what every row computes in: left out."]
    cells = paper.ladder_cells(low)
    assert list(cells) == ["baseline", *(f"+ {rung}" for rung in bag_of_tricks.LADDER if rung in tricks)]
    assert paper.step(cells["+ ResNet-B"], below=cells["+ no bias decay"]) == pytest.approx(76.66 - 76.21)
    assert len(ablation.variants(low, tricks)) == len(bag_of_tricks.LADDER)
    with pytest.raises(ValueError, match="left the recipe as it was"):
        ablation.variants(low, bag_of_tricks.LADDER)


def test_the_ladder_of_a_resnet_stays_and_of_a_pre_activation_network_zero_gamma():
    ladder = bag_of_tricks.LADDER
    resnet, preact = (bag.standard(model=models.NETWORKS[n], **GIVEN) for n in ("resnet_micro", "preact_mini"))
    assert bag_of_tricks.ADAPTED(resnet, ladder, data.fake()) == (ladder, [])
    merged = {"B, C, D": ladder["ResNet-B"], "zero gamma": ladder["zero gamma"]}
    tricks, said = bag_of_tricks.ADAPTED(preact, merged, data.fake())
    assert "B, C, D" not in tricks
    assert said[0] == "B, C, D are switches of a ResNet: left out for preact."
