"""The trained thought: long enough to be one, in the goal's language, about the screen and not about the recording."""

import re
from collections.abc import Iterator

from pipeline.describe import language
from pipeline.records import Sample

from .check import Context, Finding

_COORDINATES = re.compile(
    r"[\[(（]\s*\d{1,4}(?:\.\d+)?\s*[,，]\s*\d{1,4}(?:\.\d+)?\s*[\])）]"  # a pair in brackets
    r"|\b[xX]\s*[=:]\s*\d+(?:\.\d+)?\b|坐标|\bcoordinates?\b.{0,20}\d",
)
_MARKS = re.compile(
    r"\b(?:red|green|blue|yellow) (?:circle|box|dot|marker|rectangle)\b|\bbounding box(?:es)?\b|\bset[- ]of[- ]marks?\b"
    r"|\b(?:ground[- ]truth|annotat(?:ed|ion)|labelled|synthetic|injected)\b|红圈|红框|红色圆圈|标注|边界框",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\u3400-\u9fff]|\w+")


def length(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a thought that is too short to be a reason or longer than a model should ever think."""
    thought, limits = _thought(sample), context.thresholds
    words = len(_WORD.findall(thought))
    if thought and not limits.thought_words_min <= words <= limits.thought_words_max:
        band = f"{limits.thought_words_min} to {limits.thought_words_max}"
        yield Finding(_path(sample), f"found a thought of {words} words, expected {band}")


def tongue(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a thought in another language than the goal's; names on the screen, in quotes, are left out."""
    thought = re.sub(r"“[^”]*”|\"[^\"]*\"|「[^」]*」|《[^》]*》", "", _thought(sample))
    if len(_WORD.findall(thought)) >= context.thresholds.thought_words_min and language(thought) != sample.lang:
        yield Finding(_path(sample), f"found a thought in {language(thought)}, expected {sample.lang} as the goal")


def coordinates(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a thought that recites coordinates, which no screen shows."""
    if found := _COORDINATES.search(_thought(sample)):
        yield Finding(_path(sample), f"found the coordinates {found[0]!r}, expected words about what is seen")


def marks(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a thought that speaks of marks or labels, which the model will not see when it acts."""
    if found := _MARKS.search(_thought(sample)):
        yield Finding(_path(sample), f"found {found[0]!r}, expected words about what the agent sees")


def repeated(sample: Sample, context: Context) -> Iterator[Finding]:
    """Yield a thought that too many decisions share to the letter."""
    times = context.facts.thoughts.get(_thought(sample), 1)
    if times > context.thresholds.thought_repeats:
        most = context.thresholds.thought_repeats
        yield Finding(_path(sample), f"found the same thought on {times} steps, expected it on {most} at most")


def _thought(sample: Sample) -> str:
    return sample.turns[-1].thought or ""


def _path(sample: Sample) -> str:
    return f"$.turns[{len(sample.turns) - 1}].thought"
