"""The trained thought: long enough to be one, in the goal's language, about the screen and not about the recording."""

import re
from collections.abc import Iterator

from pipeline.describe import language, words_of
from pipeline.records import Lang

from .case import Decision
from .check import Context, Finding
from .phrases import sentences
from .vocabulary import may_say, vocabulary

_COORDINATES = re.compile(
    r"[\[(（]\s*\d{1,4}(?:\.\d+)?(?:\s*[,，]\s*\d{1,4}(?:\.\d+)?){1,3}\s*[\])）]"  # a point or a box in brackets
    r"|\b[xX]\s*[=:]\s*\d+(?:\.\d+)?\b|坐标|\bcoordinates?\b.{0,20}\d|\bpixels? \d{1,4}\s*,\s*\d{1,4}\b",
)
_AXES = frozenset({"x", "coordinate", "coordinates", "pixel", "pixels"})
"""A bracket or one of the words stands in all that `_COORDINATES` finds in ASCII texts."""
_MARKS = re.compile(
    r"\b(?:red|green|blue|yellow) (?:circle|box|dot|marker|rectangle)\b|\bbounding box(?:es)?\b|\bset[- ]of[- ]marks?\b"
    r"|\b(?:ground[- ]truth|annotat(?:ed|ion)|synthetic|injected)\b|红圈|红框|红色圆圈|标注|边界框",
    re.IGNORECASE,
)
_HINTS = ("circle", "box", "dot", "marker", "rectangle", "marks", "-of-mark", "of mark", "truth", "annotat",
          "synthetic", "injected", "红", "标注", "边界框")  # fmt: skip
"""One of them stands in all that `_MARKS` finds: thoughts without any, nearly all, are done with quickly."""


_OPEN = re.compile(
    r"(?:[:：,，、;；(（\[{-]|,\s*so|\b(?:and|or|the|because|for example|as follows))\s*\Z", re.IGNORECASE
)
"""How a thought ends that goes on elsewhere."""
_ENDS = frozenset(".!?。！？")
"""How nearly all end; none of it is the end of what `_OPEN` finds."""


def length(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that is too short to be a reason or longer than a model should ever think."""
    limits, words = context.thresholds, _words(decision.thought)
    if not limits.thought_words_min <= words <= limits.thought_words_max:
        band = f"{limits.thought_words_min} to {limits.thought_words_max}"
        yield Finding(decision.thought_path, f"found a thought of {words} words, expected {band}")


def unfinished(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that announces what does not follow: a model learns to break off there."""
    end = decision.thought.rstrip()[-40:]
    if end[-1:] not in _ENDS and _OPEN.search(end):
        yield Finding(decision.thought_path, f"found a thought that breaks off ({end!r}), expected a whole one")


def tongue(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought in another language than the goal's; names on the screen, in quotes, are left out."""
    words, spoken = _spoken(decision.thought)
    lang = decision.sample.lang
    if words >= context.thresholds.thought_words_min and spoken not in {lang, None}:
        yield Finding(decision.thought_path, f"found a thought in {spoken}, expected {lang} as the goal")


def coordinates(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that recites coordinates, which no screen shows."""
    thought = decision.thought
    if _may_recite(thought) and (found := _COORDINATES.search(thought)):
        yield Finding(decision.thought_path, f"found the coordinates {found[0]!r}, expected words about what is seen")


def marks(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that speaks of marks or labels, which the model will not see when it acts."""
    lower = decision.thought.casefold()
    if any(map(lower.__contains__, _HINTS)) and (found := _MARKS.search(decision.thought)):
        yield Finding(decision.thought_path, f"found {found[0]!r}, expected words about what the agent sees")


def repeated(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought that too many decisions share to the letter."""
    most, times = context.thresholds.thought_repeats, context.facts.thoughts.get(decision.thought, 1)
    if times > most:
        said = f"found the same thought on {times} steps, expected it on {most} at most"
        yield Finding(decision.thought_path, said)


def habit(decision: Decision, context: Context) -> Iterator[Finding]:
    """Yield a thought with a sentence that too many decisions of the dataset say."""
    habits = context.facts.sentences
    for sentence in sentences(decision.thought):
        share = habits.get(sentence, 0.0)
        if share > context.thresholds.sentence_share:
            said = f"found {sentence[:60]!r} in {share:.0%} of the thoughts"
            yield Finding(decision.thought_path, f"{said}, expected {context.thresholds.sentence_share:.0%} at most")
            break


def _may_recite(thought: str) -> bool:
    return "(" in thought or "[" in thought or may_say(thought, _AXES)


def _words(thought: str) -> int:
    return vocabulary(thought)[0] if thought.isascii() else len(words_of(thought))


def _spoken(thought: str) -> tuple[int, Lang | None]:
    """Return how many words a thought has outside of quotes, and their language.

    It is None where some are Chinese and most are not: either language may name things in the other.
    """
    if thought.isascii() and '"' not in thought:
        return _words(thought), language(thought)
    words = words_of(re.sub(r"“[^”]*”|\"[^\"]*\"|「[^」]*」|《[^》]*》", "", thought))
    chinese = sum(language(word) == "zh" for word in words)
    return len(words), "en" if not chinese else "zh" if 2 * chinese > len(words) else None
