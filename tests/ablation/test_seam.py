"""What trains and what compares knows no task: labels and accuracy are words of tasks, and of axes in figures."""

import re
from pathlib import Path

import jaxtricks

ROOT = Path(jaxtricks.__file__).parent
WORDS = re.compile(r"\b(label|labels|accuracy)\b")
ABLATION = {  # matplotlib's, CSS's and HTML's
    "ablation/initial_signal.py: left.semilogy(layers, values.forward, style, label=name)",
    "ablation/initial_signal.py: right.semilogy(layers, values.backward, style, label=name)",
    'ablation/pareto.py: axes.plot([cost[i] for i in best], [values[i] for i in best], color="tab:orange", '
    'linewidth=1, label="front")',
    'ablation/range_test.py: axes.axvline(rate, color=f"C{number}", linestyle="--", label=f"{name}: {rate:.2g}")',
    'ablation/range_test.py: axes.semilogx(test.rates, test.losses, ".", color="0.75", label="loss of a batch")',
    'ablation/range_test.py: axes.semilogx(test.rates, test.smoothed, color="C0", label="smoothed")',
    'ablation/report/macros.html.j2: <td{% if not words %} class="n"{% endif %} data-label="{{ text }}">'
    "<div>{{ caller() }}</div></td>",
    "ablation/report/page.css: .cards td::before { content: attr(data-label); color: var(--muted); text-align: left; "
    "font-weight: 400; }",
    'ablation/report/svg.py: return f\'<svg {box} role="img" aria-label="{html.escape(description)}">{body}\'',
}
CLASSES = {
    "compression.py",
    "compression_table.py",
    "drawn_boxes.py",
    "gains.py",
    "groups.py",
    "inspection.py",
    "members.py",
    "suggesting.py",
    "tails.py",
    "ways.py",
}  # tables of classification: votes, classes of unequal size, networks made smaller; the classes of boxes
SAVED = {  # predictions are kept beside the truth; data of another kind are told by their columns
    "ablation/saved.py: columns: names of those to keep beside it, such as ``label``; what is not an array is left to "
    "its files.",
    'ablation/options.py: if dataset.classes is None or "label" not in dataset.train.columns:',
}


def lines(folder):
    """``file: line`` of every line of the sources and templates in which one of the words stands."""
    paths = [path for path in sorted((ROOT / folder).rglob("*.*")) if path.name not in CLASSES]
    files = [path for path in paths if path.suffix in (".py", ".j2", ".css")]
    assert len(files) > 5
    texts = ((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in files)
    return {f"{name}: {line.strip()}" for name, text in texts for line in text.splitlines() if WORDS.search(line)}


def test_the_ablation_says_label_of_figures_only():
    assert lines("ablation") == ABLATION | SAVED


def test_training_says_neither_label_nor_accuracy():
    assert not lines("train")


def test_the_search_finds_the_words_and_no_parts_of_others():
    said = ["a label", "labels[0]", "accuracy.", "aria-label=", "xlabel", "labelsize", "class_label", "accuracies"]
    assert [word for word in said if WORDS.search(word)] == said[:4]
