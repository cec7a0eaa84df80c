"""The page about a network."""

import pytest

from experiments import inspect
from jaxtricks.ablation import cli


def test_the_page_has_costs_fields_responses_and_gradients(tmp_path, capsys):
    page = inspect.main(inspect.Options(model="plain_mini", data="digits", images=8, out=tmp_path)).read_text("utf-8")
    assert "stages/0/conv" in capsys.readouterr().out
    assert "stage3: 18 x 18, every 4" in page  # 3, pool, 3, pool, 3: 3 + 1 + 2 x 2 + 2 + 2 x 4
    assert page.count('<img alt="" src="data:image/png;base64,') == 2
    for words in (
        "one image: ",
        "images a second",
        "Receptive field of the middle",
        "Grad-CAM of stage3",
        "Costs",
        "conv 3x3",
        "stage1: ",
        "% zeros",
        "head: ",
        "Neither vanishes nor explodes.",
    ):
        assert words in page


def test_a_name_that_is_none_gets_a_hint():
    with pytest.raises(cli.UsageError, match="Perhaps you meant 'plain_mini'"):
        inspect.main(inspect.Options(model="plain_min"))
