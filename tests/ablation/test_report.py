"""The report: files that are complete, escaped, reproducible, and honest about gaps."""

import io
import json
import math
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from jaxtricks.ablation.report import __main__ as again
from jaxtricks.ablation.report import findings, html, markdown, summarise, svg, table, write

NASTY = "<script>alert('a')</script> & \"b\" | `c` [bold]d[/bold] *e* $f$ --> _g_"


class _Page(HTMLParser):
    """The tags, ids, references and text of a page; raises on a tag that is closed out of turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.ids, self.links = [], [], [], []
        self.labels, self.parts, self.drawn = [], [], []  # aria labels, all text, text within figures
        self.feed(page)
        self.close()
        self.text = " ".join(self.parts)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.labels += [values["aria-label"]] if "aria-label" in values else []
        self.links += [value for key, value in attrs if key in ("href", "xlink:href", "src", "data", "action")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.parts.append(data)
            self.drawn += [data] if self.open[-1] == "text" else []


def test_one_seed_resolves_nothing(tmp_path, make_row, make_results):
    lone = make_results(make_row("baseline", [84.0]), make_row("cosine", [95.0], reference="baseline"), seeds=1)
    row = summarise(lone)[1]
    assert (row.verdict, row.comparison.p, row.gain) == ("not resolved", 1.0, None)
    assert (row.comparison.low, row.comparison.high) == (-math.inf, math.inf)
    said = findings(lone, summarise(lone))
    assert "none differ from zero" in said
    assert "With fewer than two pairs no difference can be resolved" in said
    page = write(lone, tmp_path).read_text()
    assert "+11.00<small>\u2013</small>" in page
    assert "inf" not in _Page(page).text.replace("information", "")


def test_page_is_complete_and_loads_nothing(results, tmp_path):
    path = write(results, tmp_path)
    assert path == tmp_path / "report.html"
    text = path.read_text()
    page = _Page(text)
    assert page.open == []
    assert page.tags.count("svg") == 3 + len(results["rows"])
    assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
    assert page.tags.count("script") == 1
    assert f"<script>\n{html.SCRIPT}</script>" in text
    titles = re.findall("<title>([^<]*)</title>", text.split("<svg")[1])
    assert any(title.startswith("mixup: ") for title in titles)  # where the mouse rests on its mark
    assert any(title.endswith(", no effect beyond \u00b10.5 points") for title in titles)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert not set(svg.COLOURS.values()) & set(re.findall(r"#[0-9a-f]{6}", text))
    for said in ("agrees", "disagrees", "not resolved", "+0.7 points (a paper)", "a CPU", "--seeds 5", "pilot runs"):
        assert said in page.text


def test_everything_is_escaped(results, tmp_path):
    renamed = json.loads(json.dumps(results).replace('"cosine"', json.dumps(NASTY)))
    renamed["rows"][1]["paper"] = renamed["command"] = renamed["title"] = NASTY
    renamed["machine"]["cpu"] = renamed["sd_assumed"]["from"] = renamed["data"]["name"] = NASTY
    renamed["recipe"][NASTY] = {NASTY: NASTY}
    renamed["rows"][3]["name"] = "$x$ <i>y</i>"
    renamed["rows"][1]["cells"].pop()
    renamed["rows"][1]["failed"] = [{"seed": 4, "error": NASTY}]
    page = _Page(write(renamed, tmp_path).read_text())
    assert page.open == []
    assert page.tags.count("script") == 1  # the report's
    assert "bold" not in page.tags
    assert page.text.count(NASTY) >= 12
    assert f"Learning curves of {NASTY}" in page.labels
    assert page.drawn.count("$x$ <i>y</i>") == 3
    rendered = _Page(MarkdownIt().enable("table").render((tmp_path / "report.md").read_text()))
    assert not {"script", "em", "a"} & set(rendered.tags)
    assert rendered.tags.count("strong") == 1  # what was learnt
    assert rendered.text.count(NASTY) >= 8


def test_markdown_tables_keep_their_columns(results, tmp_path):
    write(results, tmp_path)
    text = (tmp_path / "report.md").read_text()
    page = _Page(MarkdownIt().enable("table").render(text))
    assert page.tags.count("table") == 5  # results, advice, papers, cost, recipes
    assert page.tags.count("td") == 7 * 5 + 6 * 3 + 2 * 1 + 9 * 4 + 4 * 3
    assert "+1.08 [+0.94, +1.22]" in page.text
    assert "no effect beyond \u00b10.5 points" in page.text


def test_a_ratio_of_times_has_its_interval_but_in_the_terminal(results):
    for cell in results["rows"][2]["cells"]:
        cell["seconds"] *= 1 + 0.01 * (-1) ** cell["seed"]
    rows = summarise(results)
    low, high = rows[3].time_low, rows[3].time_high
    said = f"\u00d71.20 [{low:.2f}, {high:.2f}]"
    assert low < 1.19 < 1.21 < high
    assert f"| no effect beyond \u00b10.5 points | {said} |" in markdown(results, rows).replace("\\", "")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(results))
    text = console.export_text()
    assert "\u00d71.20" in text
    assert f"{high:.2f}]" not in text


def test_json_is_strict_and_can_be_written_again(results, tmp_path):
    results["resolvable"] = float("inf")
    results["rows"][0]["cells"][0]["curve"]["train_loss"][0] = float("nan")
    write(results, tmp_path / "one")
    text = (tmp_path / "one" / "results.json").read_text()
    again = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert [row["verdict"] for row in again["summary"]] == ["hurts", None, "helps", "no effect", "hurts"]
    assert again["summary"][2]["comparison"]["n"] == 5
    assert again["rows"][0]["cells"][0]["curve"]["train_loss"][0] is None
    write(again, tmp_path / "two")
    for name in ("results.json", "report.md", "report.html"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_a_report_is_written_again_from_its_results(results, tmp_path, monkeypatch, capsys):
    write(results, tmp_path / "one")
    before = (tmp_path / "one" / "report.html").read_text()
    monkeypatch.setattr(
        "sys.argv", ["report", str(tmp_path / "one"), "--margin", "0.05", "--out", str(tmp_path / "out")]
    )
    again.main()
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "one" / "report.html")
    assert (tmp_path / "one" / "report.html").read_text() == before
    assert "no effect beyond \u00b10.05 points" in (tmp_path / "out" / "one" / "report.html").read_text()
    monkeypatch.setattr("sys.argv", ["report", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"allowed: one with a results\.json"):
        again.main()


def test_advice_and_what_was_learnt_are_in_page_and_markdown(results, tmp_path):
    page = _Page(write(results, tmp_path).read_text())
    for text in (" ".join(page.text.split()), (tmp_path / "report.md").read_text()):
        assert "chosen on held-out images, each trick on top of those before it: adopt cosine; leave out" in text
        assert "leave out smoothing and mixup. All tricks together hurt" in text
        assert "The advice follows from the held-out images" in text
        assert "Advice, for this data" in text
        assert "it changes nothing to speak of" in text
        assert "assumes that the rows of a setting vary alike from seed to seed" in text


def test_a_recommendation_is_in_page_and_markdown(results):
    said = results | {"recommendation": "Recommended: *cosine*. With fresh seeds, +1.00."}
    text = markdown(said, summarise(said))
    assert "**Recommended: \\*cosine\\*. With fresh seeds, +1.00.**" in text
    assert "Started with --recommend, the command builds the recipe itself" in text
    assert "Recommended: *cosine*. With fresh seeds, +1.00." in html.render(said, summarise(said))
    assert "Recommended" not in markdown(results, summarise(results))


def test_missing_cells_are_marked_everywhere(results, tmp_path, make_row):
    results["rows"][3]["cells"].pop()
    results["rows"].append(make_row("distillation", {}, reference="mixup", failed=range(5)))
    page = _Page(write(results, tmp_path).read_text())
    for said in ("4 of 5 seeds", "0 of 5 seeds", "mixup (4 of 5)", "not run yet", "FloatingPointError: loss <nan>"):
        assert said in page.text
    markdown = (tmp_path / "report.md").read_text()
    assert "distillation (0 of 5 seeds)" in markdown
    assert "FloatingPointError" in markdown


def test_a_run_without_any_result_is_reported(tmp_path, make_row, make_results):
    none = make_results(make_row("baseline", {}, failed=range(5)), make_row("cosine", {}, reference="baseline"))
    page = _Page(write(none, tmp_path).read_text())
    assert page.open == []
    assert "none differ from zero" in page.text


def test_recipes_that_do_not_differ_are_shown(results, tmp_path):
    results["recipe"]["cosine"] = results["recipe"]["baseline"]
    text = write(results, tmp_path).read_text()
    assert re.search(
        r"<th[^>]*>cosine<small>against baseline</small></th><td[^>]*><div><span[^>]*>nothing</span>", text
    )


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_table_fits_and_takes_names_as_they_are(results, width):
    results["rows"][3]["name"] = "[bold]mixup[/bold]"
    results["recipe"]["[bold]mixup[/bold]"] = {}
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(results))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    names = ("[bold]mixup[/bold]", "no effect", "beyond \u00b10.5 ", "\u00d71.20", "+ ✗", "+1.08 [+0.94, +1.22]")
    for said in names:  # no word is broken
        assert said in text


@pytest.mark.parametrize("mode", ["add-one", "leave-one-out", "pairwise"])
def test_other_modes(results, mode, tmp_path):
    results["mode"] = mode
    for row in results["rows"][1:]:
        row["reference"] = "baseline"
    assert f"mode {mode}" in _Page(write(results, tmp_path).read_text()).text


def test_an_error_in_degrees_is_reported_in_degrees(degrees, tmp_path):
    rows = summarise(degrees)
    assert [row.verdict for row in rows] == [None, "helps", "hurts"]
    assert [row.agreement for row in rows] == [None, "agrees", "disagrees"]
    assert [row.sign for row in rows[1:]] == [-1, -1]
    assert rows[1].comparison.mean == pytest.approx(-1.06)
    page = _Page(write(degrees, tmp_path).read_text())
    text = " ".join(page.text.split())
    assert page.open == []
    assert not re.search("accuracy|points| %(?= against)", text)
    for words in (
        "A lower error is better.",
        "smooth targets helps, \u22121.06 [\u22121.17, \u22120.95]° against baseline, as expected",
        "+1.06 [+0.99, +1.13]° against baseline, where a decrease was expected",
        "Test error, °",
        "Difference, °",
        "Difference in test error, °",
        "validation error, °",
        "improvements lie on the left",
        "true difference of 0.84° in",
    ):
        assert words in text, words
    markdown = (tmp_path / "report.md").read_text()
    assert "| variant | paper | error, ° | difference \\[95 %\\] |" in markdown
    assert "| smooth targets | \u2212 agrees | 6.32 | \u22121.06 \\[\u22121.17, \u22120.95\\] |" in markdown
    assert "a lower error is better" in markdown


def test_the_code_of_the_cells_is_shown(results, tmp_path):
    results["code"] = {"version": "0.2.0", "commit": "0123abc", "digest": "fedc4321"}
    page = _Page(write(results, tmp_path).read_text())
    for text in (page.text, (tmp_path / "report.md").read_text()):
        assert "0123abc" in text
        assert "fedc4321" in text


def test_nothing_but_a_headline_is_compared(results, tmp_path):
    """A metric of another name, without unit or bounds, stands wherever accuracy stood."""
    text = json.dumps(results).replace('"accuracy"', '"dice_score"')
    other = json.loads(text) | {"headline": {"name": "dice_score", "unit": "", "better": "higher", "bounds": None}}
    page = _Page(write(other, tmp_path).read_text())
    assert "accuracy" not in page.text
    assert "Test dice score" in page.text
    for row, same in zip(summarise(other), summarise(results), strict=True):
        assert row.adjusted_p == same.adjusted_p
        assert row.verdict == ("not resolved" if same.verdict == "no effect" else same.verdict)  # no margin but points
    assert "\u00b1" not in page.text


def test_whose_tables_the_papers_are_is_said(results):
    """In both reports, where a row names one; without such rows there is nothing to explain."""
    said = results | {"tables": "Tables are those of He et al., arXiv 1812.01187, on ImageNet."}
    for text in (markdown(said, summarise(said)), html.render(said, summarise(said))):
        assert "Tables are those of He et al., arXiv 1812.01187, on ImageNet." in text.replace("\\", "")
    plain = said | {"rows": [row | {"paper": None} for row in said["rows"]]}
    for other in (plain, results):
        for text in (markdown(other, summarise(other)), html.render(other, summarise(other))):
            assert "He et al." not in text
