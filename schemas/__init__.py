"""The JSON Schemas (Draft 2020-12) of everything that crosses a boundary; imports nothing of ours."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

NAMES = ("action", "manifest", "sample", "trajectory", "training")


@cache
def load(name: str) -> dict[str, Any]:
    """Return the schema called `name`, one of `NAMES`; raises FileNotFoundError for any other."""
    text = (files(__name__) / f"{name}.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
