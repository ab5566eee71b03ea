"""What keeps a sample from being drawn: its parts do not fit together."""

from pipeline.records import Sample


def defect(sample: Sample) -> str | None:
    """Return what is wrong with how turns, messages and screenshots of a sample refer to each other, None if nothing.

    Whether it is a good sample is for `pipeline.checks` to say.
    """
    answers = sum(message.role == "assistant" for message in sample.messages)
    shown = [turn.image for turn in sample.turns if turn.image is not None]
    named = [part.image for message in sample.messages for part in message.content if part.type == "image"]
    if not sample.turns:
        return "it has no turns"
    if answers > len(sample.turns):
        return f"{answers} answers stand for {len(sample.turns)} turns"
    if any(not turn.actions for turn in sample.turns):
        return "a turn has no action"
    if not set(range(len(sample.images))) == set(shown) >= set(named):
        return f"turns show the screenshots {sorted(set(shown))}, it has {len(sample.images)}"
    if any(min(image.width, image.height) < 1 for image in sample.images):
        return "a screenshot has no size"
    return None
