"""Formulas as MathML, which browsers draw by themselves: nothing is fetched, and no script runs."""

from typing import Any


def mathml(latex: str, *, display: str = "inline") -> str:
    """A formula in LaTeX as MathML.

    Args:
      latex: without dollar signs.
      display: "inline" or "block".
    """
    from latex2mathml.converter import convert

    return convert(latex, display=display)


def inline(self: Any, node: Any) -> None:
    """Write a formula within a line."""
    from docutils.nodes import SkipNode

    self.body.append(mathml(node.astext()))
    raise SkipNode


def block(self: Any, node: Any) -> None:
    """Write a displayed formula; it scrolls where it is wider than the page."""
    from docutils.nodes import SkipNode

    self.body.append(f'<div class="formula">{mathml(node.astext(), display="block")}</div>')
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
