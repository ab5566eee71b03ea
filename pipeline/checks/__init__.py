"""What `gdp validate` looks for: each check is a module here and a line in `CHECKS`."""

from . import coordinates, history, images, messages, schema, split, thought
from .check import Check, Context, Finding

CHECKS: dict[str, Check] = {
    "schema": schema.check,
    "messages": messages.check,
    "coordinates": coordinates.check,
    "images": images.check,
    "split": split.check,
    "history": history.check,
    "thought": thought.check,
}

__all__ = ["CHECKS", "Check", "Context", "Finding"]
