"""`gdp inspect`: one sample as text, what is trained in green, or in ⟦ ⟧ without colours."""

import difflib
from collections.abc import Iterator

from .exceptions import InputError
from .records import Message, Sample, joined
from .storage.dataset import Dataset
from .terminal import BOLD, GREEN, GREY, RED, RESET, safe, safe_line
from .validation.flags import meaning


def find(dataset: Dataset, sample_id: str) -> Sample:
    """Return the sample of that id; raises InputError, with the nearest ids, where there is none."""
    every: list[str] = []
    for number, table in dataset.tables("samples", ["sample_id"]):
        ids = [str(each) for each in table.column(0).to_pylist()]
        if sample_id in ids:
            return dataset.sample(number, ids.index(sample_id))
        every += ids
    nearest = difflib.get_close_matches(sample_id, every, n=3, cutoff=0.4) or every[:3]
    hint = f"nearest: {', '.join(map(safe, nearest))}" if nearest else "the dataset is empty"
    raise InputError(dataset.path, f"found no sample {safe(sample_id)!r}, expected one of its ids", hint)


def lines(sample: Sample, *, colour: bool) -> Iterator[str]:
    """Yield a head, the pictures, then the conversation turn by turn."""
    paint = _Paint(colour)
    kind = f" ({sample.error_kind})" if sample.error_kind else ""
    yield paint(BOLD, safe(sample.sample_id))
    yield f"  {sample.split}, {sample.origin}{kind}, layout {sample.layout}, step {sample.step_index}"
    yield f"  goal    {safe(sample.goal)}"
    yield f"  tokens  {sample.image_tokens} of pictures, about {sample.text_tokens_estimate} of text"
    for flag in sample.flags:
        should = meaning(flag)
        yield f"  flag    {safe_line(flag)}{f'; what should hold: {should}' if should else ''}"
    for number, image in enumerate(sample.images):
        turn = next((turn for turn in sample.turns if turn.image == number), None)
        step = "" if turn is None else f"  step {turn.step_index}, {turn.role}"
        place = f"images/{image.shard:05d}.parquet[{image.row}]"
        yield f"  image {number} {image.width}x{image.height}  {place}  sha256 {image.sha256[:12]}…{step}"
    answers = sum(message.role == "assistant" for message in sample.messages)
    turns = iter(sample.turns[max(len(sample.turns) - answers, 0) :])
    for message in sample.messages:
        turn = next(turns, None) if message.role == "assistant" else None
        errs = turn is not None and turn.role == "error"
        yield from _message(message, paint, errs=errs)


def _message(message: Message, paint: "_Paint", *, errs: bool) -> Iterator[str]:
    trained = message.loss_weight > 0
    learned = "trained" if message.loss_weight == 1 else f"trained x{message.loss_weight:g}"
    says = learned if trained else ("no loss: the error" if errs else "no loss")
    yield paint(GREEN if trained else RED if errs else GREY, f"── {message.role} · {says}")
    for part in joined(message.content, tokens=True):
        if part.type == "image":
            yield paint(GREY, f"<image {part.image}>")
        elif trained:
            text = safe(part.text or "")
            yield paint(GREEN, text) if paint.colour else f"⟦{text}⟧"
        else:
            yield safe(part.text or "")


class _Paint:
    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, code: str, text: str) -> str:
        return f"{code}{text}{RESET}" if self.colour else text
