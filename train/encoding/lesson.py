"""What of a sample is learned: which turns (`--supervise`), how much of each piece (`training.loss`), seen or not."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

from msgspec.structs import replace

from pipeline import layouts
from pipeline.exceptions import ConfigError, StageError
from pipeline.records import Message, Part, Sample, Turn, joined
from pipeline.storage.manifest import Manifest
from train.config import LossConfig
from train.run import Supervise

from .data import Item
from .tokens import Runs

PLACEHOLDER = "[screenshot]"
"""Stands in the text where a picture would be shown."""

NEVER = ("error", "padding")
"""Roles of turns that are no decision to learn from."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """How the samples of a dataset are taught."""

    manifest: Manifest
    supervise: Supervise = "last"
    weights: LossConfig = field(default_factory=LossConfig)
    images: Literal["real", "placeholder"] = "real"
    weighed: set[str] = field(default_factory=set)
    """Kinds of pieces that trained turns had so far; known only where weights are set."""

    def item(self, sample: Sample) -> Item:
        """Return what training takes of a sample."""
        turns = sample.turns if self.supervise == "last" else tuple(map(_supervised, sample.turns))
        messages = sample.messages if self.supervise == "last" else self._rendered(sample, turns)
        runs = None if self.weights == LossConfig() else tuple(self._runs(sample.sample_id, messages, turns))
        if self.images == "placeholder":
            return Item(sample.sample_id, tuple(map(_unseen, messages)), (), runs=runs)
        return Item(sample.sample_id, messages, sample.images, runs=runs)

    def items(self, samples: Iterable[Sample]) -> Iterator[Item]:
        """Yield what training takes of each sample."""
        return map(self.item, samples)

    def _rendered(self, sample: Sample, turns: tuple[Turn, ...]) -> tuple[Message, ...]:
        """Return the conversation with the turns' own weights; a trained turn says its thought, whatever the policy."""
        contract = self.manifest.contract
        return layouts.render(layouts.get(contract.layout), contract.history, self.manifest.prompts, sample.goal, turns)

    def _runs(self, where: str, messages: tuple[Message, ...], turns: tuple[Turn, ...]) -> Iterator[Runs | None]:
        """Yield the weights within each message, None where there is but one; raises StageError."""
        contract = self.manifest.contract
        layout = layouts.get(contract.layout)
        answers = sum(message.role == "assistant" for message in messages)
        said = iter(turns[len(turns) - answers :])
        factors = asdict(self.weights)
        for message in messages:
            turn = next(said) if message.role == "assistant" else None
            if turn is None or not message.loss_weight:
                yield None
                continue
            spans = layout.spans(turn)
            if "".join(span.text for span in spans) != "".join(part.text or "" for part in message.content):
                hint = "validate the dataset, or leave training.loss out"
                raise StageError(where, "its messages are not what the layout makes of its turns", hint)
            self.weighed.update(span.kind for span in spans if span.text)
            yield tuple((len(span.text), message.loss_weight * factors[span.kind]) for span in spans)

    def check_weights(self) -> None:
        """Raise ConfigError for a weight of pieces that no trained turn had; call it when all items were made."""
        for kind, weight in asdict(self.weights).items():
            if weight != 1 and kind not in self.weighed:
                message = f"found {weight:g}, but no trained turn of the dataset has such a piece, expected it left out"
                raise ConfigError(f"training.loss.{kind}", message, "gdp train DATASET --show 1 shows the pieces")


def _supervised(turn: Turn) -> Turn:
    """Return the turn, trained unless it is a wrong one or trained already."""
    return turn if turn.loss_weight > 0 or turn.role in NEVER else replace(turn, loss_weight=1.0)


def _unseen(message: Message) -> Message:
    """Return the message with words in place of its pictures."""
    parts = (Part("text", PLACEHOLDER) if part.type == "image" else part for part in message.content)
    return replace(message, content=joined(parts))
