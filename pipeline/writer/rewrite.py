"""Replace the wordings in error-correction samples by what the server writes, where that keeps the rules."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct
from msgspec.structs import replace

from pipeline import seeds
from pipeline.layouts import Layout
from pipeline.records import Lang, Sample, Turn
from pipeline.slicing.compose import Setting, TooLong, with_turns
from pipeline.storage.dataset import Dataset
from pipeline.storage.place import Place

from .cache import Cache
from .prompt import Decision, question, thoughts
from .rules import objection
from .server import Failure, Server
from .settings import VERSION, WriterSettings

WRITTEN = "thoughts"
"""The entry of a sample's provenance: the model and the hash of the answer."""


class Draft(Struct, frozen=True):
    """A sample whose last turns carry our wordings, and what the wordings name."""

    sample: Sample
    what: str
    """The kind of mistake, as a phrase."""
    positions: tuple[int, ...]
    """Turns whose thoughts are to be written, counted from the end: -1 is the trained one."""
    names: tuple[tuple[str, ...], ...]
    """What each of these thoughts must say: the names that the wording quotes."""

    @classmethod
    def of(cls, sample: Sample, what: str, positions: Sequence[int]) -> "Draft":
        """Return the draft of a sample with wordings of ours at these positions."""
        return cls(sample, what, tuple(positions), tuple(_quoted(sample.turns[n], sample.lang) for n in positions))


class Writer:
    """Asks a server, or the cache, for the thoughts of one shard."""

    def __init__(self, settings: WriterSettings, dataset: Dataset, layout: Layout, setting: Setting, seed: int) -> None:
        self._settings, self._dataset, self._seed = settings, dataset, seed
        self._layout, self._setting = layout, setting
        self._server, self._cache = Server(settings), Cache(Place(settings.cache))
        self.counts: Counter[str] = Counter()

    def rewrite(self, drafts: Sequence[Draft]) -> list[Sample]:
        """Return the samples with their new thoughts, in order; raises StageError if the server is of no use."""
        pictures = [self._pictures(draft) for draft in drafts]
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            answers = list(pool.map(self._answer, drafts, pictures))
        return [self._apply(draft, answer) for draft, answer in zip(drafts, answers, strict=True)]

    def _pictures(self, draft: Draft) -> dict[int, bytes]:
        shown = {image for n in draft.positions if (image := draft.sample.turns[n].image) is not None}
        return {number: self._dataset.image(draft.sample.images[number]) for number in sorted(shown)}

    def _answer(self, draft: Draft, pictures: dict[int, bytes]) -> tuple[str, list[str]] | Failure:
        sample = draft.sample
        if not draft.positions:
            return "", []
        urls = ["" for _ in sample.images]
        hashes = [image.sha256 for image in sample.images]
        for number, data in pictures.items():
            urls[number] = f"data:{_mime(data)};base64,{base64.b64encode(data).decode()}"
        try:
            key, answer = self._cache.get(
                {"version": VERSION, **self._question(draft, hashes)},
                lambda: self._server.ask(self._question(draft, urls)),
            )
            return hashlib.sha256(f"{key}\n{answer}".encode()).hexdigest(), thoughts(answer, len(draft.positions))
        except Failure as failure:
            return failure

    def _question(self, draft: Draft, images: Sequence[str]) -> dict[str, object]:
        sample = draft.sample
        first = min(draft.positions)
        decisions = [
            Decision(turn.instruction or "", turn.role == "error", names, turn.image)
            for turn, names in zip((sample.turns[n] for n in draft.positions), draft.names, strict=True)
        ]
        done = [turn.instruction or "" for turn in sample.turns[:first]]
        seed = int.from_bytes(seeds.digest(self._seed, "thoughts", sample.sample_id)[:4], "big") >> 1
        return question(self._settings.model, sample.goal, sample.lang, done, decisions, draft.what, images, seed)

    def _apply(self, draft: Draft, answer: tuple[str, list[str]] | Failure) -> Sample:
        if not draft.positions:
            return draft.sample
        if isinstance(answer, Failure):
            self.counts[f"template: {answer.reason}"] += 1
            return draft.sample
        digest, written = answer
        turns = list(draft.sample.turns)
        for position, names, text in zip(draft.positions, draft.names, written, strict=True):
            turns[position] = replace(turns[position], thought=text)
            reason = self._objection(draft, turns, position, names, text)
            if reason is not None:
                self.counts[f"template: {reason}"] += 1
                return draft.sample
        sample = with_turns(self._layout, self._setting, draft.sample, turns)
        if isinstance(sample, TooLong):
            self.counts["template: too_long"] += 1
            return draft.sample
        self.counts["written"] += 1
        return replace(sample, provenance={**sample.provenance, WRITTEN: f"{self._settings.model} {digest}"})

    def _objection(
        self, draft: Draft, turns: Sequence[Turn], position: int, names: tuple[str, ...], text: str
    ) -> str | None:
        turn = turns[position]
        earlier = [each for each in turns[:position] if each.role == "error"] if turn.role == "recovery" else []
        before = {name for n, each in zip(draft.positions, draft.names, strict=True) if n < position for name in each}
        failed = earlier[-1].actions[0] if earlier and not before & set(names) else None  # its name is mention enough
        reason = objection(text, draft.sample.lang, named=names, failed=failed)
        if reason is None and self._layout.refuse(turn) is not None:
            return "inexpressible"
        return reason


def _quoted(turn: Turn, lang: Lang) -> tuple[str, ...]:
    """Return the names that a wording quotes; a text that it only begins is none."""
    found = re.findall(r"“([^“”]+)”" if lang == "zh" else r"\"([^\"]+)\"", turn.thought or "")
    return tuple(dict.fromkeys(name for name in found if not name.endswith("…")))


def _mime(data: bytes) -> str:
    if data[:4] == b"\x89PNG":
        return "image/png"
    return "image/webp" if data[:4] == b"RIFF" else "image/jpeg"
