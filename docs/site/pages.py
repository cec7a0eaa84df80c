"""The source of the site: pages by hand with their tables filled in, families, reference, cards, llms.txt."""

import re
import shutil
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from docs import networks
from docs.gallery.page import DARK
from docs.gallery.panels import ROLES, SERIES
from docs.site import api, markdown, offline, results
from docs.site.cards import FAMILIES, cards, slug
from docs.site.pictures import Pictures
from docs.site.results import ROOT

PAPER = ROLES | SERIES
NIGHT = {"ink": "#e6e9ec", "muted": "#9aa5b1", "line": "#3a424b", "paper": "#14181d"} | DARK
PAGES = Path(__file__).parent / "pages"
STATIC = Path(__file__).parent / "static"
ALSO = {"glossary": "docs/glossary.md", "contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
MARK = "<!-- own trick -->\n"
LINKED = re.compile(r"(?<![`\w/])`((?:[a-z_]+\.)+\w+)`(?!`)")


def script() -> str:
    """The README's script, which CI runs in an empty folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return readme.split(MARK)[1].split("```\n")[0] + "```"


def example(name: str) -> str:
    """A file of docs/examples, which tests run."""
    return f"```python\n{(ROOT / 'docs' / 'examples' / f'{name}.py').read_text(encoding='utf-8')}```"


def variables() -> dict:
    """What the pages by hand may name."""
    return {
        "cards": cards(),
        "families": {letter: title for letter, (title, _) in FAMILIES.items()},
        "slug": slug,
        "script": script(),
        "smaller": example("smaller"),
        "table": markdown.table,
        "best": markdown.best,
        "expected_gain": markdown.expected_gain,
        "of_experiment": markdown.of_experiment,
        "measured_experiments": list(dict.fromkeys(one.experiment for one in results.everything())),
        "apart": results.apart(),
        "about": lambda name: markdown.prose(results.about(name)),
        "recipes": markdown.of_recipes(),
        "results": markdown.of_results(),
        "family_table": markdown.of_families(),
        "networks": networks.table(),
    }


def linked(text: str, names: set[str]) -> str:
    """The text with public names in code as links to the reference; blocks of code stay as they are."""
    parts = re.split(r"(?ms)(^```.*?^```$)", text)

    def link(match: re.Match) -> str:
        name = match[1].removeprefix("jaxtricks.")
        return f"{{py:obj}}`{match[1]} <jaxtricks.{name}>`" if name in names else match[0]

    return "".join(part if part.startswith("```") else LINKED.sub(link, part) for part in parts)


def by_hand() -> dict[str, str]:
    """The pages by hand, filled in, by name."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    values, names = (
        variables(),
        {f"{m.__name__.removeprefix('jaxtricks.')}.{n}" for m in api.modules() for n in api.names(m)},
    )
    pages = {path.stem: path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.md"))}
    pages = {name: environment.from_string(text).render(values) for name, text in pages.items()}
    pages |= {name: (ROOT / file).read_text(encoding="utf-8") for name, file in ALSO.items()}
    return {name: linked(text, names) for name, text in pages.items()}


def llms(pages: dict[str, str]) -> str:
    """llms.txt: what the project is, and where each page is, in Markdown."""
    lines = [
        "# jaxtricks",
        "",
        "> The training tricks of modern image models as pure JAX functions, and an honest machine for finding out",
        "> which of them help, by how much, at what cost, with what certainty.",
        "",
        "Calling contract: stochastic `f(key, data, ..., *, options)`, otherwise `f(data, ..., *, options)`; NHWC",
        "floats in [0, 1]; boxes xyxy in pixels; a loss gives one value an example; a wrong argument is a ValueError",
        "that names the value and what is allowed. Install: `pip install -e .`; first run:",
        "`python -m experiments.bag_of_tricks`.",
        "",
        "## Pages",
        "",
    ]
    lines += [f"- [{_title(text)}](_sources_md/{name}.md)" for name, text in pages.items() if name != "index"]
    lines += ["", "## Tricks", ""]
    for card in cards():
        names = ", ".join(symbol.name for symbol in card.symbols[:6])
        figure = f" Measured: {markdown.gain(card.best)}, {card.best.verdict}." if card.best else f" {card.status}."
        lines.append(f"- {card.title} ({names}): {markdown.prose(card.summary)}{figure}")
    return "\n".join(lines) + "\n"


def _title(text: str) -> str:
    return re.search(r"(?m)^# (.*)$", text)[1]


def series() -> str:
    """The colours of curves on the pages of the site, light and dark."""
    light, dark = ("".join(f"--{name}: {colour};" for name, colour in part.items()) for part in (PAPER, NIGHT))
    return (
        f"body {{ {light} }}\nbody[data-theme=dark] {{ {dark} }}\n"
        f"@media (prefers-color-scheme: dark) {{ body:not([data-theme=light]) {{ {dark} }} }}\n"
    )


def write(source: Path, *, draw) -> Pictures:
    """Fill the folder that Sphinx reads; what was there is removed.

    Args:
      source: the folder.
      draw: ``folder -> pictures``: ``pictures.drawn`` or ``pictures.committed``.

    Returns:
      The pictures, by public name.
    """
    shutil.rmtree(source, ignore_errors=True)
    extra = source / "_extra"
    extra.mkdir(parents=True)
    shutil.copytree(STATIC, source / "_static")
    (source / "_static" / "series.css").write_text(series(), encoding="utf-8")
    pictures = draw(source)
    for picture in ("strip.png", "screens/report.png"):
        shutil.copy(ROOT / "docs" / picture, source / "pictures" / Path(picture).name)
    pages = by_hand()
    for name, text in pages.items():
        (source / f"{name}.md").write_text(text, encoding="utf-8")
    for letter in FAMILIES:
        path = source / f"{markdown.family_file(letter)}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(markdown.family(letter, pictures), encoding="utf-8")
    (source / "families" / "gallery.md").write_text(markdown.gallery(pictures), encoding="utf-8")
    (source / "api").mkdir()
    for name, text in api.pages().items():
        (source / "api" / f"{name}.rst").write_text(text, encoding="utf-8")
    (extra / "llms.txt").write_text(llms(pages), encoding="utf-8")
    (extra / "_sources_md").mkdir()
    for name, text in pages.items():
        (extra / "_sources_md" / f"{name}.md").write_text(text, encoding="utf-8")
    page = offline.render(pictures, source, version=version("jaxtricks"))
    (extra / "cards.html").write_text(page, encoding="utf-8")
    return pictures
