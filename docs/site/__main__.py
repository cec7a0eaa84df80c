"""Builds the site: pages, reference, all cards on one page; a warning or a link that leads nowhere is an error.

python -m docs.site            # to runs/site/html; draws every picture of the gallery
python -m docs.site --quick    # with the curves that are committed, without the pictures of augmentations
"""

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import tyro

from docs.site import links, pages, pictures
from jaxtricks.ablation.cli import CACHE


@dataclass(frozen=True)
class Options:
    """Builds the site."""

    out: Path = Path("runs/site")
    """Its folders source and html are replaced."""
    quick: bool = False
    """Take the curves that are committed instead of drawing all pictures."""
    cards_only: bool = False
    """Leave Sphinx out: the page of all cards and the source, in a few seconds."""


def main(options: Options) -> int:
    """Build, then check every link; the status is 1 for a warning, a broken link or anything loaded from elsewhere."""
    began = time.perf_counter()
    jax.config.update("jax_compilation_cache_dir", str(CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    source, target = options.out / "source", options.out / "html"
    pages.write(source, draw=pictures.committed if options.quick else pictures.drawn)
    print(f"{time.perf_counter() - began:.0f} s. Source: {source}", flush=True)
    if options.cards_only:
        print(f"Cards: {source / '_extra' / 'cards.html'}")
        return 0
    from sphinx.cmd.build import main as sphinx

    folders = {"html_static_path": source / "_static", "html_extra_path": source / "_extra"}
    settings = [word for name, folder in folders.items() for word in ("-D", f"{name}={folder.resolve()}")]
    strict = ["-q", "-W", "--keep-going", "-E", "-b", "html", "-c", str(Path(__file__).parent)]
    shutil.rmtree(target, ignore_errors=True)
    status = sphinx([*strict, *settings, str(source), str(target)])
    wrong = [f"leads nowhere: {place}" for place in links.broken(target)]
    wrong += [f"loads from elsewhere: {place}" for place in links.elsewhere(target)]
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{time.perf_counter() - began:.0f} s. Site: {target / 'index.html'}")
    return 1 if status or wrong else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, prog="python -m docs.site", description=__doc__)))
