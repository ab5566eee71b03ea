"""Turn jsonschema's findings into `$.steps[3].actions[0].point[1]: found …, expected …`."""

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

import schemas

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

ALIASES = {"tap": "click", "press": "click", "input": "type", "input_text": "type", "finish": "terminate"}
"""What other formats call our actions."""

LONGEST = 60
"""Characters of a found value that are shown."""


@cache
def validator(name: str) -> "Draft202012Validator":
    """Return the validator of one of our schemas, references between them resolved without any network."""
    # Here, because a good document never needs them, and they take as long to import as three screenshots to slice.
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    resources = [Resource.from_contents(schemas.load(each)) for each in schemas.NAMES]
    registry: Registry[Any] = Registry().with_resources((r.id() or "", r) for r in resources)
    return Draft202012Validator(schemas.load(name), registry=registry)


def findings(name: str, document: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (path, "found …, expected …") for everything in the document that its schema refuses, in document order."""
    errors = (leaf for error in validator(name).iter_errors(document) for leaf in _leaves(error))
    ordered = sorted(errors, key=_place)
    yield from dict.fromkeys((tuple(error.absolute_path), _message(error)) for error in ordered)


def json_path(path: tuple[str | int, ...]) -> str:
    """Return the path as text.

    >>> json_path(("steps", 3, "actions", 0, "point"))
    '$.steps[3].actions[0].point'
    """
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _place(error: "ValidationError") -> tuple[list[tuple[bool, str | int]], bool]:
    """Sort by path; of one object an unknown key first, for it often is a missing one misspelt."""
    path = [(isinstance(part, int), part) for part in error.absolute_path]
    return path, error.validator != "additionalProperties"


def _leaves(error: "ValidationError") -> "Iterator[ValidationError]":
    """Yield the errors that say something: of `X or null` only what is wrong with X, of `X or Y` of the one meant."""
    if error.validator != "anyOf" or not error.context:
        yield error
        return
    branches = [each for each in error.context if not (each.validator == "type" and each.validator_value == "null")]
    meant = [each for each in branches if not (each.validator == "type" and not each.relative_path)]
    if not meant and len(branches) > 1:
        yield error  # of neither type
        return
    for branch in meant or branches:
        yield from _leaves(branch)


def _message(error: "ValidationError") -> str:
    found: Any = error.instance
    rule: Any = error.validator_value
    match error.validator:
        case "required":
            missing = [repr(key) for key in rule if key not in found]  # each makes an error of its own
            return f"found no {', '.join(missing)}, expected {'one' if len(missing) == 1 else 'them'}"
        case "additionalProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            extra = sorted(set(found) - set(known))
            close = _close(extra[0], known)
            return f"found unknown {_show(extra[0])}, expected {close}only {', '.join(sorted(known))}"
        case "enum":
            choices = ["null" if value is None else str(value) for value in rule]
            return f"found {_show(found)}, expected {_close(found, choices)}one of {', '.join(choices)}"
        case "const":
            return f"found {_show(found)}, expected {_show(rule)}"
        case "minItems" | "maxItems":
            return (
                f"found {len(found)} items, expected at {'least' if error.validator == 'minItems' else 'most'} {rule}"
            )
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            words = {
                "minimum": "at least",
                "maximum": "at most",
                "exclusiveMinimum": "more than",
                "exclusiveMaximum": "less than",
            }
            share = " (a fraction of the screenshot, not pixels)" if (error.validator, rule) == ("maximum", 1) else ""
            return f"found {_show(found)}, expected {words[str(error.validator)]} {rule}{share}"
        case "minLength":
            return f"found {_show(found)}, expected at least {rule} character"
        case "anyOf":
            types = dict.fromkeys(str(branch.validator_value) for branch in error.context or ())
            return f"found {_show(found)}, expected {' or '.join(types)}"
        case "uniqueItems":
            return f"found {_show(found)}, expected each once"
        case "type":
            return f"found {_show(found)}, expected {rule if isinstance(rule, str) else ' or '.join(rule)}"
        case _:
            return f"found {_show(found)}, expected {error.validator} {_show(rule)}"


def _close(found: Any, known: Iterable[str]) -> str:
    """Return a guess at what was meant, in front of all that is possible."""
    names = list(known)
    guess = ALIASES.get(str(found)) or next(iter(get_close_matches(str(found), names, n=1)), None)
    return f"{guess!r}? or " if guess in names else ""


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
