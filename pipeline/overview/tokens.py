"""How many tokens samples have: as a tokenizer counted them, where one did; else as their rows estimate."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from pipeline.storage.manifest import Manifest

from .measure import Measures


def counted(measures: Measures, manifest: Manifest, *, written: bool = True) -> Measures:
    """Return the measures with exact numbers of tokens, if `manifest` has them, and with the limit that they keep.

    They are those of the samples that validation kept, and where nothing is `written`, of those that it refused, too.
    """
    found, slicing = manifest.details.get("tokens"), manifest.slicing
    if manifest.stage != "validate" or not found:
        return replace(measures, tokenizer=slicing.tokenizer, most=slicing.max_tokens if slicing.tokenizer else None)
    times: Counter[int] = Counter()
    for name in ("kept",) if written else ("kept", "refused"):
        times.update({int(tokens): n for tokens, n in found.get(name, {}).items()})
    values = {**measures.values, "tokens": sorted(times.elements())}
    config = manifest.config
    return replace(measures, values=values, tokenizer=config["tokenizer"], most=config["max_tokens"])


def apart(theirs: Measures, own: Measures) -> Measures:
    """Return the measures without tokens if they were counted otherwise than one's own."""
    if theirs.tokenizer == own.tokenizer:
        return theirs
    return replace(theirs, values={name: found for name, found in theirs.values.items() if name != "tokens"})


def told(measures: Measures, meaning: str) -> str:
    """Return what the numbers of tokens are, in words."""
    if measures.tokenizer is None:
        return meaning
    text = f"tokens of a sample, screenshots included, counted with the tokenizer of sha256 {measures.tokenizer[:12]}"
    if measures.most is None:
        return text
    over = sum(tokens > measures.most for tokens in measures.values["tokens"])
    return f"{text}; {over:,} beyond the limit of {measures.most:,}"


def document(measures: Measures) -> Iterator[tuple[str, Any]]:
    """Yield the same for programs."""
    yield "tokenizer", measures.tokenizer
    yield "limit", measures.most
    most = measures.most
    yield "beyond", None if most is None else sum(tokens > most for tokens in measures.values["tokens"])
