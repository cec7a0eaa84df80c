"""The listing of the page on smaller networks runs, and prints what it is there for."""

from dataclasses import replace

import numpy as np

from docs.examples import smaller
from docs.site import pages


def test_the_listing_makes_a_network_smaller(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(smaller.analysis, "latency", lambda *_: smaller.analysis.Latency(0.001, 0.001, 0.001))
    rows = smaller.main(replace(smaller.recipe, epochs=2), tmp_path)
    sizes, right = zip(*rows.values(), strict=True)
    assert sizes[0] > 3 * sizes[1] == 3 * sizes[2] > 6 * sizes[3]
    assert sizes[3] == (tmp_path / "digits.jtcz").stat().st_size
    assert min(right[0], right[2], right[3]) > 70 > right[1]  # it guesses until it is trained on
    assert np.abs(right[3] - right[2]) < 5
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == list(rows)


def test_the_page_has_the_listing():
    assert pages.variables()["smaller"].splitlines()[1] == smaller.__doc__.splitlines()[0].join(('"""', ""))
    assert "{{ smaller }}" in (pages.PAGES / "smaller.md").read_text(encoding="utf-8")
