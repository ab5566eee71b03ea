"""Ask the chosen checks what is wrong with a sample: each about what it is about, and nothing twice."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from pipeline.augmentation.cut import is_cut
from pipeline.records import ImageRef, Sample, Turn

from . import CHECKS
from .case import Case, Shot
from .check import Context, Finding
from .outline import Outline
from .speech import Spoken

T = TypeVar("T")
Found = tuple[str, Finding]
"""The name of a check, and what it found."""
Ask = Callable[[T, Context], Iterable[Finding]]
"""The question of a check."""


class Questions:
    """The chosen checks, by what each is about, and what they said of texts and screenshots."""

    def __init__(self, names: Iterable[str], context: Context) -> None:
        every = ((name, CHECKS[name]) for name in names)
        chosen = {name: check for name, check in every if check.needs is None or check.needs(context)}
        self._context = context
        self._rank = {name: rank for rank, name in enumerate(chosen)}
        self._of_record = [(n, check.of_record) for n, check in CHECKS.items() if check.of_record]
        self._of_sample = [(n, check.of_sample) for n, check in chosen.items() if check.of_sample]
        self._of_outline = [(n, check.of_outline) for n, check in chosen.items() if check.of_outline]
        self._of_decision = [(n, check.of_decision) for n, check in chosen.items() if check.of_decision]
        thinks = context.layout.thinks  # where answers hold no thoughts, none is learned
        self._of_thought = [(n, check.of_thought) for n, check in chosen.items() if check.of_thought and thinks]
        self._of_screenshot = [(n, check.of_screenshot) for n, check in chosen.items() if check.of_screenshot]
        self._of_text = [(n, check.of_text) for n, check in chosen.items() if check.of_text]
        self._outlines: dict[Outline, list[Found]] = {}
        self._shots: dict[Hashable, tuple[ImageRef | None, list[Found]]] = {}  # with that whose identity is in the key
        self._texts: dict[str, tuple[tuple[str, str], ...]] = {}
        self._turns: dict[Spoken, tuple[Found, ...]] = {}

    def of(self, samples: Sequence[Sample]) -> list[list[Found]]:
        """Return what the checks find in each sample, in their order; all samples are asked one thing, then the next.

        What is no sample is asked nothing more, by whichever checks were chosen.
        """
        found: list[list[Found]] = [[] for _ in samples]
        self._ask(self._of_record, list(zip(samples, found, strict=True)))
        cases = [(Case(sample, self._context.known), told)
                 for sample, told in zip(samples, found, strict=True) if not told]  # fmt: skip
        decisions = [(decision, told) for case, told in cases for decision in case.decisions]
        self._ask(self._of_sample, cases)
        self._ask(self._of_decision, decisions)
        self._ask(self._of_thought, [(decision, told) for decision, told in decisions if decision.turn.thought])
        for case, told in cases:
            told += self._outline(case.outline)
            told += self._screenshots(case)
            told += self._words(case)
        return [self._ordered(told) if told else told for told in found]

    def _ordered(self, told: list[Found]) -> list[Found]:
        """Return what chosen checks found, in their order."""
        return sorted((each for each in told if each[0] in self._rank), key=lambda each: self._rank[each[0]])

    def _ask(self, questions: Iterable[tuple[str, Ask[T]]], subjects: Sequence[tuple[T, list[Found]]]) -> None:
        """Add what the checks say of their subjects."""
        context = self._context
        for name, ask in questions:
            for subject, told in subjects:
                for finding in ask(subject, context):
                    told.append((name, finding))

    def _outline(self, outline: Outline) -> list[Found]:
        """Return what is wrong with all samples of an outline."""
        known = self._outlines.get(outline)
        if known is None:
            known = self._outlines[outline] = [
                (name, finding) for name, ask in self._of_outline for finding in ask(outline, self._context)
            ]
        return known

    def _screenshots(self, case: Case) -> Iterator[Found]:
        """Yield what is wrong with the screenshots that a sample shows."""
        sample = case.sample
        name, own, whole = sample.trajectory_id, len(sample.turns) - case.outline.own, not is_cut(sample.sample_id)
        for number, image in case.outline.shown.items() if self._of_screenshot else ():
            ref = sample.images[image] if image < len(sample.images) else None
            key = (name, case.told[number], id(ref), number < own, whole)
            known = self._shots.get(key)
            if known is None:
                turn = sample.turns[number]
                step = case.step(turn.step_index)
                shot = Shot(name, case.steps, step, turn.step_index, turn.size, ref, number < own, whole)
                found = [(check, finding) for check, ask in self._of_screenshot for finding in ask(shot, self._context)]
                known = self._shots[key] = (ref, found)
            for check, finding in known[1]:
                yield check, Finding(finding.path.format(turn=number, image=image), finding.message)

    def _words(self, case: Case) -> Iterator[Found]:
        """Yield what is wrong with the texts of a sample."""
        turns = self._turns
        for name, message in self._text(case.sample.goal):
            yield name, Finding("$.goal", message)
        for number, told in enumerate(case.told if self._of_text else ()):
            known = turns.get(told)
            if known is None:
                known = turns[told] = tuple(
                    [(name, Finding(place, message)) for place, text in texts(told.turn)
                     for name, message in self._text(text)]
                )  # fmt: skip
            for name, finding in known:
                yield name, Finding(f"$.turns[{number}]{finding.path}", finding.message)

    def _text(self, text: str) -> tuple[tuple[str, str], ...]:
        known = self._texts.get(text)
        if known is None:
            known = self._texts[text] = tuple([(name, said) for name, ask in self._of_text for said in ask(text)])
        return known


def texts(turn: Turn) -> Iterator[tuple[str, str]]:
    """Yield the words of a turn, each with its place."""
    if turn.thought:
        yield ".thought", turn.thought
    if turn.instruction:
        yield ".instruction", turn.instruction
    for number, action in enumerate(turn.actions):
        if value := getattr(action, "text", None):
            yield f".actions[{number}].text", value
    for number, reply in enumerate(turn.inbound):
        yield f".inbound[{number}].text", reply.text
