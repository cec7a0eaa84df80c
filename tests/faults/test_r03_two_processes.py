"""Rows 3, 5 and 6 with two processes: one of them checks and writes the list, both decide alike."""

import json

import pytest
from children import Child, free_port


@pytest.mark.parametrize("scheme", ["", "bucket://"], ids=["mounted", "remote"])
def test_r03_r05_r06_two_processes_decide_alike(tmp_path, scheme):
    outs, port = [tmp_path / f"{i}.json" for i in (0, 1)], free_port()
    children = [Child("two_savers.py", (port, i, f"{scheme}{tmp_path}/run", out)) for i, out in enumerate(outs)]
    assert [child.end() for child in children] == [0, 0], [child.complaint for child in children]
    for i, report in enumerate(json.loads(out.read_text()) for out in outs):
        warned = 1 - i  # the first process warns
        assert report == {
            "waiting": {
                "saved": [3, 3, 0],
                "damaged": [2, 2, warned],
                "replaced": [3, 3, 0],
                "failed": ["4", 3],
                "again": [4, 4, 0],
            },
            "asynchronous": {
                "saved": [7, 7, 0],
                "damaged": [6, 6, warned],
                "replaced": [7, 7, 0],
                "failed": ["8", 7],
                "again": [8, 8, 0],
            },
            "none left": "corrupt",
        }
