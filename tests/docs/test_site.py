"""The site is made of what code and committed results say; CI builds it, with warnings as errors."""

import json
import re
from collections import Counter

import pytest

from docs import index
from docs.gallery.parts import slug
from docs.gallery.table import GALLERY
from docs.site import api, cards, links, markdown, overview, results
from docs.site.places import PLACES
from tests._api import EXPORTED


def test_every_measured_trick_is_on_a_card():
    assert not cards.unassigned(), "name its card in docs/site/places.py"
    assert all(one.entry is not None for one in results.everything()), "the table of an experiment lost a trick"


def test_places_name_cards_and_measurements():
    titles = {card.title for card in cards.cards()}
    assert {title for tricks in PLACES.values() for place in tricks.values() for title in place} <= titles
    measured = {(one.experiment, one.trick) for one in results.everything()}
    assert {(experiment, trick) for experiment, tricks in PLACES.items() for trick in tricks} <= measured


def test_a_card_says_what_the_results_say():
    """Cosine's rung: the mean of 54 differences, by hand from the file; earlier runs had 24 and four."""
    stored = json.loads((results.RESULTS / "cifar10-10000" / "results.json").read_text())
    rows = {row["name"]: {cell["seed"]: cell["test"]["accuracy"] for cell in row["cells"]} for row in stored["rows"]}
    by_hand = sum(rows["+ cosine"][seed] - rows["+ ResNet-D"][seed] for seed in range(24, 78)) / 54
    (card,) = [card for card in cards.cards() if card.title == "schedules"]
    both = [one for one in card.measured if (one.experiment, one.trick) == ("bag_of_tricks", "cosine")]
    (cosine,) = [one for one in both if not one.setting]
    assert cosine.row.tested.mean == pytest.approx(by_hand)
    assert markdown.gain(cosine).startswith(f"+{by_hand:.2f} points [")
    assert cosine.verdict == "helps"
    assert "table 6" in markdown.published(cosine)


def test_a_trick_that_was_taken_away_is_shown_by_what_it_gives():
    """Of leave-one-out: six differences of all tricks to all but one, by hand from the file."""
    stored = json.loads((results.RESULTS / "cifar10-leave-one-out" / "results.json").read_text())
    rows = {row["name"]: {cell["seed"]: cell["test"]["accuracy"] for cell in row["cells"]} for row in stored["rows"]}
    by_hand = sum(rows["all tricks"][seed] - rows["without smoothing"][seed] for seed in range(6)) / 6
    among = {one.trick: one for one in results.everything() if one.setting == "on top of all others"}
    smoothing, distillation = among["smoothing"], among["distillation"]
    assert len(among) == 12
    assert smoothing.row.tested.mean == pytest.approx(by_hand)
    assert smoothing.row.tested.low < by_hand < smoothing.row.tested.high
    assert (smoothing.verdict, smoothing.row.expected) == ("helps", 1)
    assert distillation.cost > 1.5  # with its teacher's forward pass, over that without
    assert distillation.row.time_low < distillation.row.ratio["time"] < distillation.row.time_high


def test_costs_are_those_of_an_image():
    """Four times the batch makes a step dearer, and an image not; a teacher's forward pass costs."""
    rungs = [one for one in results.everything() if one.experiment == "bag_of_tricks" and not one.setting]
    cost = {one.trick: one.cost for one in rungs}
    assert cost["large batch"] == pytest.approx(1, abs=0.03)
    assert cost["distillation"] > 1.5


def test_statuses_and_families():
    deck = cards.cards()
    assert len(deck) == len(index.rows())
    assert {card.letter for card in deck} == set(cards.FAMILIES)
    statuses = {"measured", "not resolved", "in a table apart", "in the baseline", "not run", "no experiment"}
    assert {card.status for card in deck} == statuses
    anchors = Counter(card.anchor for card in deck)
    assert anchors.most_common(1)[0][1] == 1


def test_formulas_are_read_off_docstrings():
    doc = "One.\n\n.. math:: a + \\\n    b\n\nArgs:\n  x: y\n\n.. math:: c\n"
    assert cards.formulas(doc) == ("a + \\ b", "c")
    assert cards.year(("Polyak and Juditsky 1992", "arXiv 1803.05407")) == 1992
    assert cards.year(("arXiv 1803.05407",)) == 2018


def test_every_public_name_is_in_the_reference():
    text = "\n".join(api.pages().values())
    documented = set(re.findall(r"(?m)^\.\. (?:autofunction|autoclass|py:data):: (\S+)", text))
    documented |= set(re.findall(r"<(jaxtricks\.\S+)>`", text))
    values = {id(value) for name, value in EXPORTED.items() if name in documented}
    assert not [name for name, value in EXPORTED.items() if name not in documented and id(value) not in values]


def test_tables_name_what_did_not_help():
    hurts = markdown.expected_gain("hurts")
    assert {one.row.expected for one in hurts} == {1}
    assert "ResNet-C" in {one.trick for one in hurts}
    assert markdown.table([]) == "None."
    assert re.search(r"\[ResNet-C\]\(/families/networks\.md#f-resnet-\S+\)", markdown.table(hurts))


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#here">x</a><a href="b.html#there">x</a><a href="c.html">x</a>')
    (tmp_path / "b.html").write_text('<p id="here"></p><script src="https://elsewhere.example/x.js"></script>')
    assert links.broken(tmp_path) == ["a.html: b.html#there", "a.html: c.html"]
    assert links.elsewhere(tmp_path) == ["b.html: https://elsewhere.example/x.js"]


def test_the_readme_counts_what_the_picture_counts():
    readme = (results.ROOT / "README.md").read_text(encoding="utf-8")
    sentence = re.search(r"\d+ comparisons with paired seeds.*?\.", readme, re.S)[0]
    assert re.findall(r"\d+", sentence) == re.findall(r"\d+", overview.counts())


def test_the_gallery_shows_the_pictures_that_there_are():
    family = GALLERY["augment"][0]
    file = f"pictures/augment-{slug(family.title)}-{slug(family.parts[0].title)}.png"
    page = markdown.gallery({"augment.flip_left_right": [file], "augment.flip_up_down": [file]})
    assert page.count(f"(/{file})") == 1
    assert [line for line in page.splitlines() if line.startswith("### ")] == [f"### {family.title}"]
    curves = markdown.gallery({"losses.hinge": ["pictures/losses-hinges.png"]})
    assert "### Hinges" in curves
    assert "### " + family.title not in curves
