"""Turn jsonschema's findings into `$.steps[3].actions[0].point[1]: found …, expected …`."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

import schemas

LONGEST = 60
"""Characters of a found value that are shown."""


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of one of our schemas, references between them resolved without any network."""
    resources = [Resource.from_contents(schemas.load(each)) for each in schemas.NAMES]
    registry: Registry[Any] = Registry().with_resources((r.id() or "", r) for r in resources)
    return Draft202012Validator(schemas.load(name), registry=registry)


def findings(name: str, document: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (path, "found …, expected …") for everything in the document that its schema refuses, in document order."""
    errors = (leaf for error in validator(name).iter_errors(document) for leaf in _leaves(error))
    ordered = sorted(errors, key=lambda e: [(isinstance(p, int), p) for p in e.absolute_path])
    yield from dict.fromkeys((tuple(error.absolute_path), _message(error)) for error in ordered)


def json_path(path: tuple[str | int, ...]) -> str:
    """Return the path as text.

    >>> json_path(("steps", 3, "actions", 0, "point"))
    '$.steps[3].actions[0].point'
    """
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Yield the errors that say something: of `X or null` only what is wrong with X."""
    if error.validator != "anyOf" or not error.context:
        yield error
        return
    for branch in error.context:
        if branch.validator == "type" and branch.validator_value == "null":
            continue
        yield from _leaves(branch)


def _message(error: ValidationError) -> str:
    found: Any = error.instance
    rule: Any = error.validator_value
    match error.validator:
        case "required":
            missing = [repr(key) for key in rule if key not in found]  # each makes an error of its own
            return f"found no {', '.join(missing)}, expected {'one' if len(missing) == 1 else 'them'}"
        case "additionalProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            extra = sorted(set(found) - set(known))
            return f"found unknown {_show(extra[0])}, expected only {', '.join(sorted(known))}"
        case "enum":
            choices = ", ".join("null" if value is None else str(value) for value in rule)
            return f"found {_show(found)}, expected one of {choices}"
        case "const":
            return f"found {_show(found)}, expected {_show(rule)}"
        case "minItems" | "maxItems":
            return (
                f"found {len(found)} items, expected at {'least' if error.validator == 'minItems' else 'most'} {rule}"
            )
        case "minimum" | "maximum" | "exclusiveMinimum":
            words = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
            return f"found {_show(found)}, expected {words[str(error.validator)]} {rule}"
        case "minLength":
            return f"found {_show(found)}, expected at least {rule} character"
        case "type":
            return f"found {_show(found)}, expected {rule if isinstance(rule, str) else ' or '.join(rule)}"
        case _:
            return f"found {_show(found)}, expected {error.validator} {_show(rule)}"


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
