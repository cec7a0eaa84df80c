"""Screenshots of the committed ladder's report and of the page of all cards, by a headless Chromium.

    python -m docs.screens  # docs/screens/*.png

The report is written anew from ``experiments/results/cifar10-10000/results.json``, the page by ``docs.site``.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

import jaxtricks
from docs.site import offline
from jaxtricks.ablation import report

ROOT = Path(__file__).parents[1]
SCREENS = ROOT / "docs/screens"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DARK = ("--blink-settings=preferredColorScheme=0",)
SHOTS = {  # name: page, width, height, options
    "report": ("report", 1200, 1150, ()),
    "report-phone": ("report", 500, 1000, DARK),
    "cards": ("cards", 1200, 1000, ()),
}


def shot(browser: str, page: Path, size: tuple[int, int], options: tuple[str, ...]) -> bytes:
    """A page as PNG, as it opens in a window of that width and height."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "shot.png"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/user"]
        window = f"--window-size={size[0]},{size[1]}"
        command = [browser, *flags, *options, window, f"--screenshot={out}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return out.read_bytes()


def main() -> None:
    """Write the screenshots."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser; allowed: {', '.join(BROWSERS)}.")
    SCREENS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        results = json.loads((ROOT / "experiments/results/cifar10-10000/results.json").read_text(encoding="utf-8"))
        report.write(results, Path(folder))
        pages = {"report": Path(folder) / "report.html", "cards": Path(folder) / "cards.html"}
        pages["cards"].write_text(offline.render({}, Path(folder), version=jaxtricks.__version__), encoding="utf-8")
        for name, (page, width, height, options) in SHOTS.items():
            image = Image.open(BytesIO(shot(browser, pages[page], (width, height), options)))
            image.convert("RGB").quantize(128).save(SCREENS / f"{name}.png", optimize=True)
            print(SCREENS / f"{name}.png", image.size)


if __name__ == "__main__":
    main()
