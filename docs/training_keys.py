"""The table of docs/training.md: every key of the training configuration, from its schema."""

import json
from collections.abc import Iterator
from typing import Any

import schemas

BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
NAMES = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true, false", "null": "null"}


def table() -> str:
    """Return a table for each section of the file, its keys in the schema's order."""
    schema = schemas.load("training")
    parts = []
    for section, rule in schema["properties"]["training"]["properties"].items():
        definition = _resolved(rule, schema)
        title = [f"### `training.{section}`", ""] if "properties" in definition else []
        head = ["| key | takes | default | what it does |", "|---|---|---|---|"]
        parts.append("\n".join([*title, *head, *_rows(section, definition, schema)]))
    return "\n\n".join(parts)


def _rows(section: str, definition: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    keys = definition.get("properties", {section: definition})
    for key, rule in keys.items():
        rule = _resolved(rule, schema)
        default = f"`{_shown(rule['default'])}`" if "default" in rule else ""
        description = rule.get("description", "").replace("|", "\\|")
        yield f"| `{key}` | {takes(rule)} | {default} | {description} |"


def _resolved(rule: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return the definition that a rule refers to, with what the rule itself adds."""
    if "$ref" not in rule:
        return rule
    definition: dict[str, Any] = schema["$defs"][rule["$ref"].rsplit("/", 1)[1]]
    return {**definition, **{key: value for key, value in rule.items() if key != "$ref"}}


def takes(rule: dict[str, Any]) -> str:
    """Return what values a key takes.

    >>> takes({"type": "integer", "minimum": 1})
    'whole number ≥ 1'
    """
    if "enum" in rule:
        return ", ".join(f"`{_shown(value)}`" for value in rule["enum"])
    if "const" in rule:
        return f"`{_shown(rule['const'])}`"
    if "anyOf" in rule:
        return " or ".join(dict.fromkeys(takes(each) for each in rule["anyOf"]))
    kind = rule.get("type", "object")
    if kind == "array":
        return f"list of {takes(rule['items'])}"
    if kind == "object":
        return "mapping"
    kinds = [kind] if isinstance(kind, str) else kind
    bounds = ", ".join(text.format(_shown(rule[name])) for name, text in BOUNDS.items() if name in rule)
    return f"{' or '.join(NAMES[each] for each in kinds)} {bounds}".strip()


def _shown(value: Any) -> str:
    if isinstance(value, float) and 0 < value < 0.001:
        return f"{value:.0e}".replace("e-0", "e-")
    return value if isinstance(value, str) else json.dumps(value)
