"""Links within a folder of HTML: to files that are not there, and to places that a page does not have."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and the places that it has."""

    def __init__(self):
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (name == "name" and tag == "a"):
                self.places.add(value)
            elif name in ("href", "src"):
                self.links.append(value)


def broken(folder: Path) -> list[str]:
    """``page: link`` of every link within the folder that leads nowhere.

    Args:
      folder: with HTML files; what leads to another host is left out.
    """
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        page = Page()
        page.feed(path.read_text(encoding="utf-8"))
        pages[path.resolve()] = page
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            place = unquote(parts.fragment)
            missing = not target.exists() or (place and target in pages and place not in pages[target].places)
            if missing:
                wrong.append(f"{path.relative_to(folder.resolve())}: {link}")
    return wrong


def elsewhere(folder: Path) -> list[str]:
    """``page: address`` of everything that a page would load from another host: scripts, styles, pictures, fonts.

    Args:
      folder: with HTML files.
    """
    wrong = []
    for path in sorted(folder.rglob("*.html")):
        loader = Loaded()
        loader.feed(path.read_text(encoding="utf-8"))
        wrong += [f"{path.relative_to(folder)}: {address}" for address in loader.addresses]
    return wrong


class Loaded(HTMLParser):
    """What a page loads from another host by itself."""

    def __init__(self):
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        loads = values.get("src") if tag in ("script", "img", "iframe", "source") else None
        if tag == "link" and "stylesheet" in (values.get("rel") or ""):
            loads = values.get("href")
        if loads and urlsplit(loads).netloc:
            self.addresses.append(loads)
