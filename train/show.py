"""`gdp train --show N`: samples as the model gets them; what is trained is green, or in ⟦ ⟧ without colour."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pipeline.exceptions import InputError
from pipeline.records import Sample
from pipeline.storage.dataset import Dataset
from pipeline.storage.place import Where
from pipeline.terminal import GREEN, GREY, RESET, safe

from .config import TrainConfig
from .encoding.tokens import IGNORED
from .quiet import quietly
from .run import Supervise, require


def show(
    dataset_path: Where,
    n: int,
    model: str | None,
    *,
    colour: bool,
    supervise: Supervise = "last",
    config: TrainConfig | None = None,
) -> Iterator[str]:
    """Yield `n` samples from all over the train split as text; raises GdpError subclasses."""
    require(model)
    with quietly():
        yield from samples(Dataset.open(dataset_path), n, model, colour=colour, supervise=supervise, config=config)


def samples(
    dataset: Dataset,
    n: int,
    model: str | None,
    *,
    colour: bool,
    supervise: Supervise = "last",
    config: TrainConfig | None = None,
) -> Iterator[str]:
    """Yield the samples as text, each under a line that says how many of its tokens are trained."""
    rows = dataset.frame("samples", ["split", "origin"])
    chosen = set(spread(rows.filter(rows["split"] == "train")["origin"].to_list(), n))
    if not chosen:
        raise InputError(dataset.path, "found no sample in the train split, expected at least one")
    encoder, lesson = _taught(dataset, model, supervise, config)
    whose = "" if model else " of the built-in tiny tokenizer"
    for index, sample in enumerate(dataset.samples("train")):
        if index in chosen:
            encoded, _ = encoder.tokens(lesson.item(sample))
            total, trained = len(encoded.input_ids), encoded.trained
            title = f"{sample.sample_id} ({sample.origin}): {total} tokens{whose}, {trained} trained"
            yield f"── {title}\n{render(encoded, encoder.frame, colour=colour)}"


def _taught(dataset: Dataset, model: str | None, supervise: Supervise, config: TrainConfig | None) -> tuple[Any, Any]:
    """Return what turns items into tokens, and what makes the items."""
    from .encoding.data import Encoder
    from .encoding.lesson import Lesson
    from .models import model as models

    config = config or TrainConfig()
    encoder = Encoder(models.processor_of(model, dataset), dataset.manifest.contract, model or "built-in")
    return encoder, Lesson(dataset.manifest, supervise, config.loss, config.sft.images)


def token_table(
    dataset: Dataset,
    sample: Sample,
    model: str | None,
    supervise: Supervise = "last",
    config: TrainConfig | None = None,
) -> Iterator[str]:
    """Yield a line for each token: place, id, label, weight, text; the tokens of a picture share one line."""
    require(model)
    with quietly():
        encoder, lesson = _taught(dataset, model, supervise, config)
        encoded, _ = encoder.tokens(lesson.item(sample))
    frame = encoder.frame
    yield f"{'place':>6} {'id':>7} {'label':>7} {'weight':>6}  text"
    rows = zip(encoded.input_ids, encoded.labels, encoded.weights, strict=True)
    for (token, label, weight, _), run in groupby(enumerate(rows), key=lambda each: _alike(each, frame.image_pad)):
        places = [place for place, _ in run]
        text = "".join(_text([token] * len(places), frame)).replace("\n", "⏎")
        shown = "-" if label == IGNORED else str(label)
        yield f"{places[0]:>6} {token:>7} {shown:>7} {weight:>6g}  {text}"


def _alike(each: tuple[int, tuple[int, int, float]], image_pad: int) -> tuple[int, int, float, int]:
    """Return a key that only neighbouring tokens of pictures share."""
    place, row = each
    return (*row, -1 if row[0] == image_pad else place)


def spread(origins: Sequence[str], n: int) -> list[int]:
    """Return `n` places, or as many as there are, evenly apart; of two or more, one is of an error if there is any.

    >>> spread(["clean", "error_correction", "clean", "clean"], 2)
    [0, 1]
    """
    n = min(n, len(origins))
    chosen = [place * len(origins) // n for place in range(n)]
    errors = [place for place, origin in enumerate(origins) if origin == "error_correction"]
    if n > 1 and errors and not set(errors) & set(chosen):
        chosen[-1] = errors[-1]
    return sorted(chosen)


def render(encoded: Any, frame: Any, *, colour: bool) -> str:
    """Return the tokens as text, trained ones marked, each picture's tokens as one count."""
    rows = zip(encoded.input_ids, encoded.weights, strict=True)
    parts = []
    for weight, run in groupby(rows, key=lambda row: row[1]):
        text = "".join(_text([token for token, _ in run], frame))
        if weight > 0:
            share = "" if weight == 1 else f"×{weight:g}"
            parts.append(f"{GREEN}{text}{RESET}{share}" if colour else f"⟦{text}⟧{share}")
        else:
            parts.append(f"{GREY}{text}{RESET}" if colour else text.replace("⟦", "[").replace("⟧", "]"))
    return "".join(parts)


def _text(ids: list[int], frame: Any) -> Iterator[str]:
    """Yield the text; what only spells a control token gets a backslash after its `<`, a real one does not."""
    real = frame.written
    for control, run in groupby(ids, key=lambda token: token if token in real else None):
        tokens = list(run)
        text = frame.tokenizer.decode(tokens[:1] if control == frame.image_pad else tokens)
        if control is None:
            yield frame.spelled.sub(lambda found: f"{found[0][0]}\\{found[0][1:]}", safe(text))
        else:
            yield f"{text}×{len(tokens)}" if control == frame.image_pad else text
