"""The question: what the agent was asked for, what it did, and the screens around its mistake."""

import json
import re
from collections.abc import Sequence

from msgspec import Struct

from pipeline.records import Lang

from .server import Failure, encodable

LANGUAGES: dict[Lang, str] = {"en": "English", "zh": "Simplified Chinese"}

SYSTEM = """\
You lend your voice to an agent that operates a device through its screen. It wrote no thoughts down; you supply what \
it thinks right before an action.

Rules for each thought:
- first person, present, one to three short sentences, in {language};
- call controls by the words that stand on them, exactly as written, in quotation marks; never say positions in \
numbers;
- speak only of what can be seen in the screenshot or was done before;
- while it makes a mistake the agent believes to be right: no doubt, no hint;
- when it repairs one it first says what the screen shows now, then what its earlier action did or did not do, then \
what it does instead and why;
- the agent knows nothing of you, of this request, or of how it is recorded.

Answer with a JSON object and nothing else: {{"thoughts": ["...", ...]}}, one for each decision, in order.\
"""

_FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n\s*```\s*$", re.DOTALL)


class Decision(Struct, frozen=True):
    """One action that needs a thought."""

    action: str
    """As a sentence."""
    mistake: bool
    names: tuple[str, ...]
    """That the thought must say."""
    image: int | None
    """Which screenshot the agent looks at, None where none is shown."""


def question(
    model: str, goal: str, lang: Lang, done: Sequence[str], decisions: Sequence[Decision], what: str,
    images: Sequence[str], seed: int,
) -> dict[str, object]:  # fmt: skip
    """Return the body of the request; `images` are what stands for each screenshot: its data URL, or its hash."""
    steps = "\n".join(f"{number}. {sentence}" for number, sentence in enumerate(done, start=1)) or "nothing yet"
    content: list[dict[str, object]] = [
        {"type": "text", "text": f"The agent was asked: {goal}\nWhat it has done so far:\n{steps}"}
    ]
    for number, decision in enumerate(decisions, start=1):
        if decision.image is not None:
            content.append({"type": "image_url", "image_url": {"url": images[decision.image]}})
        content.append({"type": "text", "text": _described(number, decision, what)})
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": SYSTEM.format(language=LANGUAGES[lang])},
            {"role": "user", "content": content},
        ],
        "temperature": 0.7,
        "max_tokens": 200 * len(decisions),
        "seed": seed,
    }


def thoughts(answer: str, expected: int) -> list[str]:
    """Return the thoughts of an answer; raises Failure if it is not what was asked for."""
    text = answer.rpartition("</think>")[2]  # some models think aloud first
    fenced = _FENCE.match(text)
    try:
        found = json.loads(fenced[1] if fenced else text)["thoughts"]
    except (ValueError, RecursionError, LookupError, TypeError):
        raise Failure("garbled") from None
    if (
        not isinstance(found, list)
        or len(found) != expected
        or not all(isinstance(each, str) and encodable(each) for each in found)
    ):
        raise Failure("garbled")
    return [" ".join(each.split()) for each in found]


def _described(number: int, decision: Decision, what: str) -> str:
    where = "On this screen" if decision.image is not None else "Then"
    text = f"Decision {number}. {where} the agent's next action is: {decision.action}."
    if decision.mistake:
        text += f" It is a mistake ({what}), which the agent does not know yet."
    else:
        text += " It now sees what came of its earlier action, and repairs it."
    if decision.names:
        text += " The thought must say: " + ", ".join(json.dumps(name, ensure_ascii=False) for name in decision.names)
    return text
