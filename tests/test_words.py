"""Plain words: the retired ones are gone from code and prose. ``python tests/test_words.py`` lists where they stand."""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("jaxtricks", "experiments", "docs", "benchmarks")
FILES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

# Anywhere, in names and in prose: what stands there now, and what the field says.
WORDS = {
    r"put_outs?": "cast_outputs",
    r"told": "logged, raised, reported, given",
    r"land(s|ed|ing)?": "drain",
    r"borne": "tolerated",
    r"(?<!at )(?<!At )(?<!at_)least(?! squares)": "minimum, min_delta, tolerated ('at least' and check.at_least stay)",
    r"wholly|wholeness|whole": "complete, integer, replicated, all, entire",
    r"shel(f|ves)": "checkpoint folder, checkpoint store",
    r"(?<!in[ _-])flight": "in_flight",
    r"rehears\w*": "dry_run, dry run",
    r"train\.start": "train.initialize_distributed",
    r"train\.averaged": "train.eval_params",
    r"data\.order": "data.epoch_permutation",
    r"from readers.{0,2} notes": "the published table, with its number",
}
# Names only (of variables, arguments, functions, attributes): the words are good English in prose.
NAMES = {
    "agree": "processes, same_everywhere",
    "averaged": "eval_params",
    "beside": "share_data_with",
    "enter": "replicate",
    "leave": "unreplicate",
}
# One meaning a word: a pattern, what it means, and the files in which it means that.
MEANINGS = {
    r"patience|Patience": (
        "EarlyStopping's, and that of optax's plateau; fit has max_nonfinite_steps",
        ("jaxtricks/train/metrics.py", "jaxtricks/tricks/", "docs/", "experiments/", "README.md"),
    ),
    r"stages?": (
        "fit's, and a network's; a chain of augmentations has steps, a checkpoint a temporary folder",
        (
            "jaxtricks/train/",
            "jaxtricks/models/",
            "jaxtricks/init/",
            "jaxtricks/layers/",
            "jaxtricks/optim/",
            "jaxtricks/analysis/",
            "jaxtricks/compress/_graph.py",
            "jaxtricks/augment/_cam.py",
            "jaxtricks/augment/_sizes.py",  # of progressive resizing
            "jaxtricks/data/_nearest.py",
            "jaxtricks/tricks/",
            "jaxtricks/recipes.py",
            "experiments/",
            "benchmarks/",
            "README.md",
            "CONTRIBUTING.md",
            "docs/",
        ),
    ),
    r"settings?": (
        "ablation.Setting: the conditions under which all tricks are measured",
        (
            "jaxtricks/ablation/",
            "jaxtricks/_command.py",
            "jaxtricks/_help.py",
            "jaxtricks/tricks/",
            "experiments/",
            "docs/",
            "README.md",
            "CONTRIBUTING.md",
        ),
    ),
}
FILLERS = ("each", "found", "own", "given", "made", "known")  # as variables; augment.each is a function, and stays


def identifiers(text):
    """``(name, line)`` of every name in the code, not in its strings and comments."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.string, token.start[0]


def variables(text):
    """``(name, line)`` of everything that is assigned: targets, arguments, names bound by for, with, except, match."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name, node.lineno


def matches(pattern, text):
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((match[0], number) for match in re.finditer(rf"(?<![A-Za-z]){pattern}(?![A-Za-z])", line))


def places(files, find):
    """``path:line: word`` wherever ``find(text)`` finds one."""
    for path in files:
        for word, line in find(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(ROOT)}:{line}: {word}"


def of_word(pattern):
    return list(places([*FILES, *PROSE], lambda text: matches(f"(?:{pattern})", text)))


def of_name(name):
    return list(places(FILES, lambda text: (x for x in identifiers(text) if x[0] == name)))


def of_meaning(pattern):
    _, allowed = MEANINGS[pattern]
    files = [p for p in [*FILES, *PROSE] if not str(p.relative_to(ROOT)).startswith(allowed)]
    return list(places(files, lambda text: matches(f"(?:{pattern})", text)))


def of_filler(name):
    return list(places(FILES, lambda text: (x for x in variables(text) if x[0] == name)))


@pytest.mark.parametrize("pattern", WORDS)
def test_a_retired_word_is_gone(pattern):
    assert not of_word(pattern), f"say: {WORDS[pattern]}"


@pytest.mark.parametrize("name", NAMES)
def test_a_retired_name_is_gone(name):
    assert not of_name(name), f"say: {NAMES[name]}"


@pytest.mark.parametrize("pattern", MEANINGS)
def test_a_word_has_one_meaning(pattern):
    assert not of_meaning(pattern), f"means: {MEANINGS[pattern][0]}"


@pytest.mark.parametrize("name", FILLERS)
def test_a_variable_says_what_it_is(name):
    assert not of_filler(name), "a noun that says what it is"


def test_the_search_finds_what_it_is_for():
    """And leaves alone what it is not for."""
    assert {word for word, _ in matches(r"(?:(?<!in[ _-])flight)", "flight in_flight in flight in-flight")} == {
        "flight"
    }
    assert not list(matches(f"(?:{list(WORDS)[4]})", "at least two; At least; least squares"))
    assert [line for _, line in matches(f"(?:{list(WORDS)[2]})", "island landscape\nit lands\nland(x)")] == [2, 3]
    assert [word for word, _ in identifiers("agree = 'agree'  # agree\nf(beside=1)")] == ["agree", "f", "beside"]
    text = (
        "def f(each, *own, **given):\n  for found in g(known=1):\n    with h as (made, x): pass\n  [k for k in found]"
    )
    assert {name for name, _ in variables(text)} == {"each", "own", "given", "found", "made", "x", "k"}


def main():
    """Print every place, then how many there are of each word and in each folder; the status is 1 if there is one."""
    kinds = ((WORDS, of_word), (NAMES, of_name), (MEANINGS, of_meaning), (FILLERS, of_filler))
    remaining = {word: find(word) for words, find in kinds for word in words}
    only = sys.argv[1:]
    if only:
        remaining = {word: [p for p in where if p.startswith(tuple(only))] for word, where in remaining.items()}
    listed = [(place, word) for word, where in remaining.items() for place in where]
    for place, _ in sorted(listed, key=lambda x: (x[0].split(":")[0], int(x[0].split(":")[1]))):
        print(place)
    print("\nby word:", {word: len(where) for word, where in remaining.items() if where})
    folders = Counter("/".join(place.split(":")[0].split("/")[:2]) for place, _ in listed)
    print("by folder:", dict(folders.most_common()))
    return 1 if listed else 0


if __name__ == "__main__":
    sys.exit(main())
