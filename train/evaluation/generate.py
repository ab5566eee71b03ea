"""What a model answers to a sample: greedily, from the very tokens that training puts before the trained turn.

Batches are padded on the left, so that every answer begins at the same place. The answer ends at the first token that
ends a turn. Nothing random is drawn, and modules get their training mode back: a run that looks at its answers trains
exactly as one that does not.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria

from train.encoding.data import Collator, Encoder, Example, Item, decode
from train.encoding.source import Source
from train.encoding.tokens import IGNORED, Encoded

SLACK = 1.5
"""An answer may be this many times as long as the longest recorded one, and `ROOM` tokens longer."""
ROOM = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one sample."""

    text: str
    tokens: int
    truncated: bool
    """Whether it was cut off before it ended."""


def prompt_length(encoded: Encoded) -> int:
    """Return how many of a sample's tokens stand before its last turn's own: those after it are all trained."""
    trained = [place for place, label in enumerate(encoded.labels) if label != IGNORED]
    return next(
        place for place, before in zip(trained[::-1], [*trained[-2::-1], -1], strict=True) if before != place - 1
    )


def longest(encoder: Encoder, items: Sequence[Item]) -> int:
    """Return the most tokens that an answer may have, from the longest recorded one."""
    lengths = []
    for item in items:
        encoded, _ = encoder.tokens(item)
        lengths.append(len(encoded.input_ids) - prompt_length(encoded))
    return int(max(lengths, default=0) * SLACK) + ROOM


class Generator:
    """Answers samples with one model's processor; the model is given anew for each batch of questions."""

    def __init__(
        self, source: Source, encoder: Encoder, processor: Any, *, batch_size: int, max_new_tokens: int
    ) -> None:
        self._source = source
        self._encoder = encoder
        self._collator = Collator(processor, encoder.frame)
        self._pad = self._collator.pad
        self._batch_size = batch_size
        self._settings = GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            eos_token_id=sorted(encoder.frame.stops),
            pad_token_id=self._pad,
            use_cache=True,
        )

    def answers(
        self,
        model: Any,
        items: Sequence[Item],
        told: Callable[[int], None] | None = None,
        token: Callable[[], None] | None = None,
    ) -> list[Answer]:
        """Return an answer to each item, in order; leaves no trace on the model.

        `told` hears how many are done, `token` that each of a batch has one more token; both may raise, to end it.
        """
        lengths = [len(self._encoder.tokens(item)[0].input_ids) for item in items]
        order = sorted(range(len(items)), key=lambda place: lengths[place])  # alike lengths need little padding
        found: dict[int, Answer] = {}
        with _undisturbed(model):
            for first in range(0, len(order), self._batch_size):
                places = order[first : first + self._batch_size]
                batch = self._batch([items[place] for place in places])
                found.update(zip(places, self._answer(model, batch, token), strict=True))
                if told is not None:
                    told(len(found))
        return [found[place] for place in range(len(items))]

    def _batch(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return the prompts as the model takes them, padded on the left: [B, longest prompt]."""
        examples = []
        for item in items:
            encoded, counts = self._encoder.tokens(item)
            end = prompt_length(encoded)
            prompt = Encoded(encoded.input_ids[:end], encoded.labels[:end], encoded.weights[:end])
            pictures = [decode(self._source, ref) for ref in item.images]
            examples.append(Example(item.sample_id, prompt, pictures, counts))
        batch = self._collator(examples)
        width = batch["input_ids"].shape[1]
        padding = [width - len(example.encoded.input_ids) for example in examples]
        rolled: dict[str, Any] = {
            key: torch.stack([torch.roll(row, shift) for row, shift in zip(batch[key], padding, strict=True)])
            for key in ("input_ids", "attention_mask", *self._encoder.frame.types)
            if key in batch
        }
        kept = {key: value for key, value in batch.items() if key not in {"labels", "weights", "sample_ids"}}
        return {**kept, **rolled}

    def _answer(self, model: Any, batch: dict[str, Any], token: Callable[[], None] | None) -> list[Answer]:
        device = next(model.parameters()).device
        inputs = {key: value.to(device) for key, value in batch.items()}
        heard = [_EachToken(token)] if token else []
        said = model.generate(**inputs, generation_config=self._settings, stopping_criteria=heard)
        return [self._read(row.tolist()) for row in said[:, inputs["input_ids"].shape[1] :]]

    def _read(self, ids: list[int]) -> Answer:
        stops = self._encoder.frame.stops
        end = next((place for place, token in enumerate(ids) if token in stops), None)
        ids = ids[:end]
        tokenizer = self._encoder.frame.tokenizer
        text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Answer(text, len(ids), end is None)


class _EachToken(StoppingCriteria):  # type: ignore[misc]
    """Ends no answer: it is what transformers asks after each token."""

    def __init__(self, token: Callable[[], None]) -> None:
        self._token = token

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Tell of the token, and return that none of the answers [B] is done."""
        self._token()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


@contextmanager
def _undisturbed(model: Any) -> Any:
    """Put every module into evaluation mode, and give its own mode and the random state back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
