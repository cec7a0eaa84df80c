"""The benchmarks that run on a CPU: what they write, and what they make of what they measured."""

import json
import time

from benchmarks import _figures


def test_figures_are_written_with_the_day_of_their_measurement(tmp_path):
    """In place of that of figures which are there already, as where some rows are measured anew."""
    _figures.write({"date": "2020-01-01", "value": 1}, tmp_path / "a/figures.json")
    written = json.loads((tmp_path / "a/figures.json").read_text(encoding="utf-8"))
    assert written.keys() == {"date", "value"}
    assert abs(time.time() - time.mktime(time.strptime(written["date"], "%Y-%m-%d"))) < 3 * 86400
    _figures.write({}, None)
