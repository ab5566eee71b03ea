"""YAML as people mean it: `1e-4` is a number, `1:30`, `yes` and a date are text, a key that stands twice is an error.

What settings never need is refused, so that no file can do more than be wrong: anchors, aliases, tags, merge keys, keys
that are no text, deep nesting and integers of more than 64 bits.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from .exceptions import ConfigError

DEEPEST = 16
"""Levels of nesting; the settings have four."""


class _Loader(yaml.SafeLoader):
    """PyYAML follows YAML 1.1; which plain values are no text is said below."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node; raises ConstructorError for all that makes YAML more than a tree of plain values."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None or getattr(event, "tag", None) is not None:
            raise _refused("found an anchor, alias or tag, expected plain values", event)
        if self.depth == DEEPEST:
            raise _refused(f"nested deeper than {DEEPEST} levels", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping; raises ConstructorError for a key that is no text or stands twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _refused(f"key {_shown(key)} is no text", key)
            if key.value in seen:
                raise _refused(f"key {_shown(key)} stands twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value; raises ConstructorError for a number or text that nothing else could work with."""
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()
            if isinstance(value, int) and value.bit_length() > 63:
                raise OverflowError
        except UnicodeEncodeError as error:
            raise _refused(f"{_shown(node)} holds half a surrogate pair", node) from error
        except (ValueError, OverflowError) as error:
            raise _refused(f"{_shown(node)} is no number of 64 bits at most", node) from error
        return value


def _refused(message: str, where: Any) -> ConstructorError:
    """Return the error at the start of a node or event."""
    return ConstructorError(None, None, message, where.start_mark)


def _shown(node: yaml.Node) -> str:
    text = ascii(node.value) if isinstance(node, yaml.ScalarNode) else "of several parts"
    return text if len(text) <= 40 else f"{text[:39]}…"


_PLAIN = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(?:0|[1-9][\d_]*|0x[\da-fA-F_]+|0b[01_]+)",
    "float": r"[-+]?(?:(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+)"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "merge": "<<",
}
"""What a value without quotes may be beside text. YAML 1.1 also turns 1:30 into 90, 017 into 15 and yes into true."""

_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), None)


def parse(text: str) -> Any:
    """Return the document's value; raises yaml.YAMLError.

    >>> parse("{learning_rate: 1e-4, grad_norm: off}")
    {'learning_rate': 0.0001, 'grad_norm': 'off'}
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506  a subclass of SafeLoader


def read(path: Path) -> Any:
    """Return what a YAML file holds; raises ConfigError with the place of what is wrong."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot read it ({error.strerror}), expected a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"found bytes that are no UTF-8 at {error.start}, expected a YAML file") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(str(path), f"found malformed YAML ({reason})") from error
