"""What changed in the recipe of a row: the fields that differ from its reference's, as text."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jaxtricks.ablation.headline import plural
from jaxtricks.ablation.report.wording import DASH
from jaxtricks.ablation.summary import Row

LONGEST = 120  # characters of a value that are shown; results.json has the others


def changes(results: Mapping[str, Any], row: Row) -> list[tuple[str, str, str]]:
    """``(field, before, after)`` for each part of a row's recipe that differs from its reference's.

    A field that holds the same kind of JSON on both sides is followed down to the parts that differ. A recipe within a
    recipe, that of a teacher, which is on one side only, is shown by where it differs from the recipe around it, for
    the row as for its reference. Changes alike are one line. Of a long value a part is shown.
    """
    recipes = results["recipe"]
    before, after = recipes.get(row.reference, {}), recipes.get(row.name, {})
    differing = []
    for field in dict.fromkeys([*before, *after]):
        old, new = _parsed(before.get(field, DASH)), _parsed(after.get(field, DASH))
        if _is_recipe(new, after) and not isinstance(old, dict):
            differing.append((field, compact(old), "a recipe; below, where it differs from this row's"))
            parts = [_differing(f"{field} / {part}", after, new, part) for part in new if part != field]
            differing += [(path, f"this row: {mine}", theirs) for some in parts for path, mine, theirs in some]
        elif _is_recipe(old, before) and not isinstance(new, dict):
            differing.append((field, "a recipe; below, where it differs from the reference's", compact(new)))
            parts = [_differing(f"{field} / {part}", old, before, part) for part in old if part != field]
            differing += [(path, theirs, f"reference: {its}") for some in parts for path, theirs, its in some]
        else:
            differing += _differing(field, before, after, field)
    alike: dict[tuple[str, str, str], list[str]] = {}
    for path, *values in differing:
        alike.setdefault((path.rpartition(" / ")[2], *values), []).append(path)
    return [(_shortest(paths), *_cut(old, new)) for (_, old, new), paths in alike.items()]


def _is_recipe(value: Any, around: Mapping[str, Any]) -> bool:
    """Whether a field holds a recipe as the one around it is."""
    return isinstance(value, dict) and {"model", "loss"} <= value.keys() & around.keys()


def _shortest(paths: Sequence[str]) -> str:
    """The path with the fewest parts, and how many there are besides."""
    path, more = min(paths, key=lambda path: (path.count(" / "), len(path))), len(paths) - 1
    return f"{path} (and {plural(more, 'place')} more)" if more else path


def _cut(old: str, new: str) -> tuple[str, str]:
    """Two values, of which long ones begin shortly before they differ, and end after so many characters."""
    if max(len(old), len(new)) <= LONGEST:
        return old, new
    differs = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, differs - LONGEST // 2)
    return _part(old, start), _part(new, start)


def _part(text: str, start: int) -> str:
    if start + LONGEST >= len(text):
        return "…" * (start > 0) + text[start:]
    left = len(text) - LONGEST
    return f"{'…' * (start > 0)}{text[start : start + LONGEST]}… ({left:,} characters more in results.json)"


def _differing(path: str, before: Any, after: Any, key: Any) -> list[tuple[str, str, str]]:
    old, new = _parsed(before.get(key, DASH)), _parsed(after.get(key, DASH))
    if old == new:
        return []
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() & new.keys():
        return [
            change for part in dict.fromkeys([*old, *new]) for change in _differing(f"{path} / {part}", old, new, part)
        ]
    return [(path, compact(old), compact(new))]


def compact(value: Any) -> str:
    """A described value as one would write it: ``{"mixup": {"alpha": "0.2"}}`` is ``mixup(alpha=0.2)``."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict):
        ((name, arguments),) = value.items()
        return f"{name}({', '.join(f'{key}={compact(entry)}' for key, entry in arguments.items())})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {compact(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(compact, value)) + "]"
    return str(value)


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("{", "[")):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(value)
    return value
