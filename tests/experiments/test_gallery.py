"""The gallery: that nothing public is missing from it, that it calls what it names, and what it draws."""

import math
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import docs.gallery as gallery
from docs import index
from docs.gallery import defaults, movements, panels, parts, pictures, schedules, sheets, strip
from docs.gallery import losses as loss_panels
from docs.gallery.parts import Call, Panel, papers, signs, slug, symbol, unwrap, used
from docs.gallery.table import CHOSEN, GALLERY
from jaxtricks import augment, losses, optim
from jaxtricks.ablation import report

INDEX = index.PAGE.read_text(encoding="utf-8")
PARTS = {
    f"{section}/{family.title}/{part.title}": part
    for section, families in GALLERY.items()
    for family in families
    for part in family.parts
}
SYMBOLS = {symbol(function) for part in PARTS.values() for function in used([part])}
SHORT = {name.replace("optax.losses.", "optax.") for name in SYMBOLS - {None}}
NOT_DRAWN = {  # public functions without a picture of their own, and why; others are drawn by hand or by default
    "augment.merge": "puts predictions together, not pictures",
    "augment.over_views": "gives predictions, not pictures",
}


def test_every_loss_augmentation_and_schedule_is_drawn():
    """By hand or by the rules of docs/gallery/defaults.py; what neither draws is named here."""
    wrong = sorted(set(defaults.undrawn(GALLERY)) - set(NOT_DRAWN))
    where = "draw it in docs/gallery, or add a rule to docs/gallery/defaults.py"
    assert not [name for name in wrong if defaults.rule(resolve(name))], f"{wrong}: {where}"
    assert set(NOT_DRAWN) <= set(defaults.undrawn(GALLERY))


def resolve(name):
    package, own = name.split(".")
    return getattr(parts.PLACES[package], own)


def a_new_loss(logits, targets):
    return losses.softmax_focal(logits, targets)


def a_new_augmentation(key, image):
    return augment.random_flip(key, image)


def a_new_schedule(peak, *, steps, steps_per_epoch):
    return optim.cosine(peak, steps=steps, steps_per_epoch=steps_per_epoch)


@pytest.mark.parametrize(
    ("package", "new", "module"),
    [
        (losses, a_new_loss, "jaxtricks.losses._robust"),
        (augment, a_new_augmentation, "jaxtricks.augment._flip"),
        (optim, a_new_schedule, "jaxtricks.optim._decays"),
    ],
)
def test_a_new_function_is_drawn_without_an_entry(package, new, module, monkeypatch):
    monkeypatch.setattr(new, "__module__", module)
    monkeypatch.setattr(package, new.__name__, new, raising=False)
    monkeypatch.setattr(package, "__all__", [*package.__all__, new.__name__])
    section = {losses: "losses", augment: "augment", optim: "schedules"}[package]
    (family,) = defaults.more(package, "More", CHOSEN[section])
    assert [part.title for part in family.parts] == [new.__name__]
    part = family.parts[0]
    if isinstance(part, Panel):
        axes = panels.draw(part, panels.evaluate(part)).axes
        assert np.isfinite(axes[0].get_lines()[0].get_ydata()).all()
    else:
        (row,) = cells(part).values()
        assert len(row) == 6


@pytest.mark.parametrize("row", re.findall(r"^\| (?:[AC]\d*\+?|J\d|I2) \|.*$", INDEX, re.M))
def test_rows_of_the_index_are_drawn(row):
    named = re.findall(r"`([\w.]+)`", row.split("|")[3])
    wanted = {name for name in named if not name.startswith(("data.", "analysis."))}  # these have plots of their own
    assert {name.replace("optax.losses.", "optax.") for name in wanted} <= SHORT


def recorded(part, seen):
    """The Calls of a part, whose functions note that they were called."""

    def note(function, *args, **kwargs):
        seen.add(unwrap(function))
        return function(*args, **kwargs)

    return [Call(tuple(partial(note, f) for f in call.functions), call.at) for call in part.calls.values()]


@pytest.mark.parametrize("name", PARTS)
def test_it_calls_what_it_names(name):
    part, seen = PARTS[name], set()
    calls = recorded(part, seen)
    for call in calls:
        at = partial(call.at, *call.functions)
        if isinstance(part, Panel):
            x = panels.points(part)
            jax.eval_shape(lambda at=at, x=x: at(x if part.at_once else jnp.float32(x[0])))
        elif part.values is None:
            jax.eval_shape(at, sheets.photos())
        else:
            value = jax.random.key(0) if isinstance(part.values, int) else part.values[0]
            value = value if part.static or isinstance(part.values, int) else jnp.asarray(value)
            jax.eval_shape(lambda photos, at=at, value=value: at(photos, value), sheets.photos())
    assert seen == set(used([part]))


def drawn(panel, part="y"):
    """What the figure shows: ``{label: {x: y}}``, of the values or of their derivatives."""
    axes = panels.draw(panel, panels.evaluate(panel)).axes
    lines = axes[0 if part == "y" else 1].get_lines()
    return {line.get_label(): dict(zip(*np.round(line.get_data(), 4), strict=True)) for line in lines}


def test_hinges_by_hand():
    # three classes, the true one at s, the others at 0: largest and sum of max(0, 1 - s), twice
    values, slopes = (drawn(loss_panels.HINGES[0], part) for part in ("y", "slope"))
    for s, largest, total in ((-4.0, 5.0, 10.0), (0.0, 1.0, 2.0), (0.5, 0.5, 1.0), (2.0, 0.0, 0.0)):
        assert values["Crammer and Singer"][s] == pytest.approx(largest, abs=1e-4)
        assert values["Weston and Watkins"][s] == pytest.approx(total, abs=1e-4)
    assert values["cross-entropy"][0.0] == pytest.approx(math.log(3), abs=1e-4)
    assert slopes["cross-entropy"][0.0] == pytest.approx(1 / 3 - 1, abs=1e-4)
    assert slopes["the same, margin 3"][2.0] == -2.0
    assert slopes["Weston and Watkins"][2.0] == 0.0


def test_the_ramp_by_hand():
    values, slopes = (drawn(loss_panels.HINGES[1], part) for part in ("y", "slope"))
    for s, bound in ((0, 2.0), (-1, 4.0), (-2, 6.0)):  # two wrong classes, each at most 1 - s
        assert values[f"s = {s}"][-4.0] == pytest.approx(bound)
        assert slopes[f"s = {s}"][-4.0] == 0.0
    assert values["s = -∞"][-4.0] == pytest.approx(10.0)


def test_disjoint_boxes_by_hand():
    values, slopes = (drawn(loss_panels.BOXES[0], part) for part in ("y", "slope"))
    # 40 by 40 and 40 by 20, 100 apart: union 2400 of 140 by 40; squared distance over squared diagonal
    assert values["IoU"][100.0] == 1.0
    assert slopes["IoU"][100.0] == 0.0
    assert values["GIoU"][100.0] == pytest.approx(1 + (5600 - 2400) / 5600, abs=1e-4)
    assert values["DIoU"][100.0] == pytest.approx(1 + 100**2 / (140**2 + 40**2), abs=1e-4)
    assert min(slopes[name][100.0] for name in ("GIoU", "DIoU", "CIoU")) > 0


def test_flipped_labels_move_the_minimum_to_the_log_odds():
    values = drawn(loss_panels.ROBUST[2])["cross-entropy"]
    assert min(values, key=values.get) == pytest.approx(math.log(0.7 / 0.3), abs=0.06)


def test_schedules_by_hand():
    over, cycle, momentum = (drawn(p) for p in (schedules.DECAYS[0], schedules.CYCLES[0], schedules.MOMENTUM[1]))
    assert over["cosine"][15.0] == pytest.approx(0.5, abs=1e-4)
    assert [over["step"][epoch] for epoch in (7.4, 7.5, 15.0, 22.5)] == pytest.approx([1, 0.1, 0.01, 0.001])
    assert [cycle["linear"][epoch] for epoch in (0.0, 2.5, 5.0, 17.5)] == pytest.approx([0, 0.5, 1, 0.5])
    assert [momentum["momentum"][epoch] for epoch in (0.0, 9.0)] == pytest.approx([0.95, 0.85], abs=1e-3)


def test_more_curves_than_colours_are_refused():
    with pytest.raises(ValueError, match="7 curves; allowed: 1 to 6"):
        replace(loss_panels.HINGES[0], curves={str(i): jnp.abs for i in range(7)})


def cells(part):
    return {name: row for name, row in sheets.evaluate(part, sheets.photos()).items()}


def test_pictures_are_those_of_the_functions():
    photo = np.asarray(sheets.photos().image)
    assert photo.shape == (96, 96, 3)
    assert 0.2 < photo.mean() < 0.8
    (row,) = cells(movements.FLIPS[0]).values()
    assert [label for label, _ in row] == ["original", "left to right", "top to bottom"]
    np.testing.assert_array_equal(row[1][1]["image"], photo[:, ::-1])
    np.testing.assert_array_equal(row[2][1]["image"], photo[::-1])
    painted = np.asarray(sheets.draw({"": row}))
    np.testing.assert_array_equal(painted[:96, 100:196, :3], np.round(255 * photo[:, ::-1]))
    assert painted[97:110, 100:196, 3].any()  # the label below it


def test_targets_are_shares_of_the_area():
    (row,) = cells(pictures.MIXING[2]).values()
    pixels = [0, 20, 38, 58, 76, 96]  # whose centres lie in a box of 0, 0.2, ... 1 times 96 pixels about the centre
    for (label, _), side in zip(row, pixels, strict=True):
        share = (side / 96) ** 2
        assert label == {0: "b", 96: "a"}.get(side, f"{share:.2f} a + {1 - share:.2f} b")


def test_boxes_are_drawn_where_they_lie():
    box = np.array([[10, 20, 30, 60], [0, 0, 5, 5]])
    picture = {"image": np.zeros((96, 96, 3)), "box": box, "box_valid": np.array([True, False])}
    painted = np.asarray(sheets.draw({"": [("", picture)]}))[:96, :96, :3]
    rows, columns = np.nonzero((painted == sheets.MARK).all(-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 59, 10, 29)


def test_the_strip_that_opens_the_readme():
    assert strip.FILE.stat().st_size < 200_000
    assert set(strip.TILES) - {"original"} <= set(augment.__all__)
    image = np.asarray(Image.open(strip.FILE).convert("RGBA"))[..., :3] / 255.0
    assert image.shape == (152 + 21, len(strip.TILES) * 158 - 6, 3)
    photo = np.asarray(sheets.photos(152).image)
    for place, name in enumerate(strip.TILES):
        tile = image[:152, 158 * place : 158 * place + 152]
        error = np.abs(tile - {"original": photo, "flip_left_right": photo[:, ::-1]}.get(name, tile)).mean()
        assert error < 0.05, name  # what the palette takes
        assert tile.std() > 0.05
    readme = (Path(strip.__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert re.search(r"!\[.*?\]\((.*?)\)", readme)[1] == "docs/strip.png"
    assert len(readme.encode()) <= 6000


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    table = {
        "activations": GALLERY["activations"][:1],
        "losses": GALLERY["losses"][:1],
        "augment": GALLERY["augment"][:1],
    }
    out = tmp_path_factory.mktemp("gallery")
    gallery.run(table, gallery.Options(out=out / "new", only=("activations", "augment")))
    return out / "new"


def test_files_are_written_for_what_was_asked(page):
    names = {path.name for path in page.iterdir()}
    flips = {f"augment-{slug(part.title)}.png" for part in movements.FLIPS}
    assert names == {"index.html", "activations-rectified.png"} | flips
    with Image.open(page / "activations-rectified.png") as image:
        assert image.size == (3 * 360, 410)


def test_the_page_is_complete_and_loads_nothing_from_elsewhere(page):
    text = (page / "index.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    for name in re.findall(r'(?:src|href)="([^"#]+)"', text):
        assert (page / name).is_file()
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r'id="([^"]+)"', text))
    assert text.count("<svg") == text.count("</svg>") == 3
    assert "--c1" in text
    assert not set(re.findall(r"#[0-9a-f]{6}", text.split("</style>")[1]))  # colours follow the page, light and dark
    assert "<code>layers.rrelu</code> (arXiv 1505.00853)" in text


def test_colours_on_paper_are_those_of_the_reports():
    for name, colour in panels.ROLES.items():
        assert f"--{name}: {colour};" in report.CSS


def test_the_options_name_the_sections():
    (choices, _) = get_args(get_type_hints(gallery.Options)["only"])
    assert get_args(choices) == tuple(GALLERY)


def test_no_two_figures_share_a_file():
    names = [f"{section}-{slug(family.title)}" for section in GALLERY for family in GALLERY[section]]
    drawn = [(name, family) for name in ("augment", "detection") for family in GALLERY[name]]
    sheets_ = [f"{name}-{slug(part.title)}" for name, family in drawn for part in family.parts]
    assert len(names) == len(set(names))
    assert len(sheets_) == len(set(sheets_))


def test_names_papers_and_signs():
    assert symbol(losses.ramp) == "losses.ramp"
    assert symbol(jax.nn.relu) == "jax.nn.relu"
    assert symbol(test_names_papers_and_signs) is None
    assert list(papers(losses.ramp)) == ["Wu and Liu 2007", "Collobert et al. 2006"]
    assert list(papers(losses.softmax_focal)) == ["arXiv 1708.02002"]
    assert list(papers(augment.flip_left_right)) == []
    assert signs("s = -1, -∞, a-2, 3-4") == "s = \u22121, \u2212∞, a-2, 3-4"
