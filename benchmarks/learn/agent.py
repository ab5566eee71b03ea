"""The trained model as an agent: the conversation that its layout prescribes, greedy answers, many screens at once."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from pipeline import layouts
from pipeline.actions import Action, Wait
from pipeline.layouts import GrammarError
from pipeline.records import ImageRef, Message, Sample, Split, Turn
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Manifest
from train.encoding.data import Encoder, Item
from train.evaluation.generate import Generator

from .live import HEIGHT, WIDTH, Episode, Tab
from .model import load, processor

LONGEST = 48
"""Tokens of an answer at most; a call takes about 30."""
BATCH = 18


class Screens:
    """The live screens in the place of a dataset's stored ones."""

    path = "live"

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._pictures: dict[str, bytes] = {}

    def samples(self, split: Split | None = None) -> Iterator[Sample]:
        """Yield nothing: what is acted on has no recorded answer."""
        return iter(())

    def add(self, png: bytes) -> ImageRef:
        """Take a screen in."""
        digest = hashlib.sha256(png).hexdigest()
        self._pictures[digest] = png
        return ImageRef(sha256=digest, shard=0, row=0, width=WIDTH, height=HEIGHT)

    def image(self, ref: ImageRef) -> bytes:
        """Return a screen."""
        return self._pictures[ref.sha256]


class Agent:
    """A base model with the adapter of a run, prompted as the dataset's manifest says."""

    def __init__(self, base: Path, run: Path, dataset: Path) -> None:
        import peft

        self._manifest = Dataset.open(dataset).manifest
        self._layout = layouts.get(self._manifest.contract.layout)
        self._screens = Screens(self._manifest)
        made = processor(base, self._manifest.contract)
        encoder = Encoder(made, self._manifest.contract, str(base))
        self._generator = Generator(self._screens, encoder, made, batch_size=BATCH, max_new_tokens=LONGEST)
        self._model = peft.PeftModel.from_pretrained(load(base), str(run / "adapter")).merge_and_unload().eval()

    async def decide(self, episodes: Sequence[tuple[Tab, Episode]]) -> list[Action | None]:
        """Return what the model says to do; None where it is not one of the layout's calls."""
        items = [self._item(episode) for _, episode in episodes]
        said = await asyncio.to_thread(self._generator.answers, self._model, items)
        return [self._read(answer.text) for answer in said]

    def _item(self, episode: Episode) -> Item:
        messages, shown = prompt(self._manifest, episode.task.goal.text, episode.turns)
        return Item("live", messages, tuple(self._screens.add(episode.pictures[n]) for n in shown))

    def _read(self, text: str) -> Action | None:
        try:
            return self._layout.parse(text, (WIDTH, HEIGHT)).action
        except GrammarError:
            return None


def prompt(manifest: Manifest, goal: str, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], list[int]]:
    """Return the conversation up to the next decision, with a stand-in for its answer, and which screens it shows.

    But for that answer it is what `gdp slice` renders for a decision with this history.
    """
    told = [*turns, Turn(len(turns), (Wait(),), size=(WIDTH, HEIGHT), loss_weight=1.0)]
    most = manifest.slicing.max_history
    first = 0 if most is None else max(0, len(turns) - most)
    shown = list(range(first, len(told)))[-manifest.contract.history.image_window :]
    numbered = [replace(told[n], image=shown.index(n) if n in shown else None) for n in range(first, len(told))]
    layout = layouts.get(manifest.contract.layout)
    return layouts.render(layout, manifest.contract.history, manifest.prompts, goal, numbered), shown
