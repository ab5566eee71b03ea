"""Samples as the model takes them: encoded when asked for, pictures decoded and turned into patches batch by batch."""

import io
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError

from pipeline.exceptions import InputError, StageError
from pipeline.records import ImageRef, Message, Sample
from pipeline.storage.manifest import Contract

from . import frame as frames
from .packed import Packed
from .pictures import Pictures
from .source import Source
from .template import Template
from .tokens import IGNORED, ChatML, Encoded, Runs

FORMATS = ("JPEG", "PNG", "WEBP")
"""What the pipeline stores; Pillow's other decoders stay closed."""


@dataclass(frozen=True, slots=True)
class Item:
    """What training needs of a sample, and no more of it in memory."""

    sample_id: str
    messages: tuple[Message, ...]
    images: tuple[ImageRef, ...]
    tokens: Packed | None = None
    """What `Encoder.tokens` says of it, where it has been asked."""
    runs: tuple[Runs | None, ...] | None = None
    """Weights within its messages, where they are not one for each."""


@dataclass(frozen=True, slots=True)
class Example:
    """One sample, ready to be put into a batch."""

    sample_id: str
    encoded: Encoded
    pictures: Sequence[Image.Image | None]
    """None where the features of one are at hand, so that nobody needs its pixels."""
    image_tokens: list[int]
    refs: tuple[ImageRef, ...] = ()
    """Of each picture."""


class Encoder:
    """Turns items into tokens with one model's processor, under one dataset's contract."""

    def __init__(self, processor: Any, contract: Contract, name: str) -> None:
        self.processor = processor
        self.contract = contract
        self.frame = frames.of(processor, name)

    @property
    def chatml(self) -> ChatML:
        """The frame of a ChatML family."""
        assert isinstance(self.frame, ChatML)
        return self.frame

    def tokens(self, item: Item) -> tuple[Encoded, list[int]]:
        """Return the item's tokens, and the number of tokens of each picture."""
        counts = frames.image_tokens(self.frame, self.processor, item.images, self.contract)
        return frames.encode(self.frame, item.sample_id, item.messages, item.images, counts, item.runs), counts

    def check(self, item: Item) -> None:
        """Raise StageError where another way to the item's tokens and labels comes to others."""
        frames.check(self.frame, self.processor, item.sample_id, item.messages, item.images, self.contract)


class Examples(torch.utils.data.Dataset[Example]):
    """The samples of one split in memory, without their pictures."""

    def __init__(self, source: Source, encoder: Encoder, items: Sequence[Item]) -> None:
        self._source = source
        self._encoder = encoder
        self.items = items
        self.at_hand: Container[str] = ()
        """Hashes of pictures that need not be decoded."""

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Example:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Example]:
        """Return the examples of a batch; torch asks for this where there is one. Each picture is decoded once."""
        items = [self.items[index] for index in indices]
        refs = {ref.sha256: ref for item in items for ref in item.images}
        pictures = {key: decode(self._source, ref) for key, ref in refs.items() if key not in self.at_hand}
        return [self._example(item, [pictures.get(ref.sha256) for ref in item.images]) for item in items]

    def _example(self, item: Item, pictures: list[Image.Image | None]) -> Example:
        tokens = item.tokens or Packed.of(*self._encoder.tokens(item))
        return Example(item.sample_id, tokens.unpacked(), pictures, list(tokens.image_tokens), item.images)

    def picture(self, ref: ImageRef) -> Image.Image:
        """Return a picture, whether it is at hand or not."""
        return decode(self._source, ref)

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each sample, those of pictures included; raises StageError before `select`."""
        if any(item.tokens is None for item in self.items):
            raise StageError("samples", "found one that was never tokenised, expected those of `select`")
        return [item.tokens.length for item in self.items if item.tokens]


def decode(source: Source, ref: ImageRef) -> Image.Image:
    """Return a stored screenshot as RGB; raises InputError if it is broken or not of the recorded size."""
    where = f"{source.path}/images/{ref.shard:05d}.parquet[{ref.row}]"
    data = source.image(ref)
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        if picture.size != (ref.width, ref.height):
            found = f"found a picture of {picture.width}x{picture.height}, expected {ref.width}x{ref.height}"
            raise InputError(where, found, "gdp validate finds such rows; run it on the dataset first")
        return picture.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(where, f"found no readable picture ({error}), expected JPEG, PNG or WebP") from error


def select(
    samples: Iterable[Sample | Item], encoder: Encoder, *, max_images: int, max_tokens: int
) -> tuple[list[Item], Counter[str]]:
    """Return the samples within the limits, and how many were refused for which reason; nothing is ever cut."""
    items: list[Item] = []
    refused: Counter[str] = Counter()
    shared: dict[Message, Message] = {}  # a system prompt stands in every sample, and once in memory
    for sample in samples:
        messages = tuple(shared.setdefault(message, message) for message in sample.messages)
        item = Item(sample.sample_id, messages, sample.images, runs=getattr(sample, "runs", None))
        if len(item.images) > max_images:
            refused[f"more than {max_images} images"] += 1
            continue
        tokens = Packed.of(*encoder.tokens(item))
        if tokens.length > max_tokens:
            refused[f"more than {max_tokens} tokens"] += 1
        else:
            items.append(replace(item, tokens=tokens))
    return items, refused


class Collator:
    """Puts examples into one batch, padded on the right.

    B samples, L tokens of the longest, P patches of all pictures, I pictures: input_ids, attention_mask,
    mm_token_type_ids, labels, weights [B, L]; pixel_values [P, channels x frames x patch x patch];
    image_grid_thw [I, 3] in patches; sample_ids, a list of B. With `once`, pixel_values hold each different picture
    once, and `pictures` says which are shown: then the model needs `Tower.showing`. Other families than Qwen-VL's name
    and shape what they take of pictures as their processors do.
    """

    def __init__(self, processor: Any, frame: frames.Frame, *, once: bool = False) -> None:
        self._once = once
        self._pictures = processor.image_processor
        tokenizer = processor.tokenizer
        self.pad = int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)
        self._frame = frame

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return the batch."""
        self._check_pads(examples)
        ids = [torch.tensor(example.encoded.input_ids) for example in examples]
        shown = torch.tensor(sorted(self._frame.picture_ids))
        batch: dict[str, Any] = {
            "input_ids": _padded(ids, self.pad),
            "attention_mask": _padded([torch.ones_like(row) for row in ids], 0),
            **{key: _padded([torch.isin(row, shown).long() for row in ids], 0) for key in self._frame.types},
            "labels": _padded([torch.tensor(example.encoded.labels) for example in examples], IGNORED),
            "weights": _padded([torch.tensor(example.encoded.weights) for example in examples], 0.0),
            "sample_ids": [example.sample_id for example in examples],
        }
        if any(example.pictures for example in examples):
            batch.update(self._seen(examples))
        return batch

    def _seen(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Return what the model sees of the examples."""
        pictures = [picture for example in examples for picture in example.pictures]
        counts = [count for example in examples for count in example.image_tokens]
        if isinstance(self._frame, Template):
            each = [[picture for picture in example.pictures if picture] for example in examples]
            return frames.seen(self._frame, each, [example.image_tokens for example in examples])
        if not self._once:
            return self.patches(pictures, counts)
        refs = [ref for example in examples for ref in example.refs]
        at_hand = frozenset(ref.sha256 for ref, picture in zip(refs, pictures, strict=True) if picture is None)
        shown = Pictures.of((ref.sha256 for ref in refs), at_hand)
        first = [shown.first[place] for place in shown.made]
        grids = torch.tensor([self._grid(ref) for ref in refs])
        made = torch.empty(0, self._numbers)
        if first:
            seen = self.patches([pictures[place] for place in first], [counts[place] for place in first])
            made = seen["pixel_values"]
        return {"pixel_values": made, "image_grid_thw": grids, "pictures": shown}

    def _grid(self, ref: ImageRef) -> tuple[int, int, int]:
        return 1, ref.height // self._pictures.patch_size, ref.width // self._pictures.patch_size

    @property
    def _numbers(self) -> int:
        """How many numbers a patch has."""
        return int(3 * self._pictures.temporal_patch_size * self._pictures.patch_size**2)

    def _check_pads(self, examples: Sequence[Example]) -> None:
        """Raise StageError, naming the sample, unless it holds as many image tokens as its pictures have features."""
        for example in examples:
            found, expected = example.encoded.input_ids.count(self._frame.image_pad), sum(example.image_tokens)
            if found != expected:
                message = f"its tokens hold {found} image tokens, its pictures {expected}"
                raise StageError(example.sample_id, message)

    def patches(self, pictures: Sequence[Image.Image | None], expected: list[int]) -> dict[str, torch.Tensor]:
        """Return pixel_values and image_grid_thw of pictures; raises StageError for other counts than expected."""
        # `image_tokens` proved that resizing would change nothing, so it is left out: stored pixels are seen pixels.
        patches = self._pictures(images=pictures, do_resize=False, return_tensors="pt")
        grids = patches["image_grid_thw"]
        counts = (grids.prod(dim=1) // self._pictures.merge_size**2).tolist()
        if counts != expected:
            raise StageError("processor", f"it made {counts} image tokens, expected {expected}")
        return {"pixel_values": patches["pixel_values"], "image_grid_thw": grids}


def _padded(rows: list[torch.Tensor], value: float) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
