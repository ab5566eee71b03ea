"""Ask the chosen checks what is wrong with a sample: each about what it is about, and nothing twice."""

from collections.abc import Iterable, Iterator

from pipeline.records import Sample, Turn

from . import CHECKS
from .case import Case, Shot
from .check import Context, Finding
from .speech import Spoken

Found = tuple[str, Finding]
"""The name of a check, and what it found."""


class Questions:
    """The chosen checks, by what each is about, and what they said of texts and screenshots."""

    def __init__(self, names: Iterable[str], context: Context) -> None:
        chosen = {name: CHECKS[name] for name in names}
        self._context = context
        self._schema = "schema" in chosen
        self._rank = {name: rank for rank, name in enumerate(chosen)}
        self._of_sample = [(n, check.of_sample) for n, check in chosen.items() if check.of_sample and n != "schema"]
        self._of_decision = [(n, check.of_decision) for n, check in chosen.items() if check.of_decision]
        thinks = context.layout.thinks  # where answers hold no thoughts, none is learned
        self._of_thought = [(n, check.of_thought) for n, check in chosen.items() if check.of_thought and thinks]
        self._of_screenshot = [(n, check.of_screenshot) for n, check in chosen.items() if check.of_screenshot]
        self._of_text = [(n, check.of_text) for n, check in chosen.items() if check.of_text]
        self._shots: dict[Shot, tuple[Found, ...]] = {}
        self._texts: dict[str, tuple[tuple[str, str], ...]] = {}
        self._turns: dict[Spoken, tuple[Found, ...]] = {}

    def of(self, sample: Sample) -> list[Found]:
        """Return what the checks find, in their order; what is no sample is asked nothing more, whatever was chosen."""
        ask = CHECKS["schema"].of_sample
        assert ask is not None
        context = self._context
        if broken := list(ask(sample, context)):
            return [("schema", finding) for finding in broken] if self._schema else []
        case = context.case(sample)
        found = [(name, finding) for name, ask in self._of_sample for finding in ask(sample, context)]
        for decision in case.decisions:
            found += [(name, finding) for name, ask in self._of_decision for finding in ask(decision, context)]
            if decision.turn.thought:
                found += [(name, finding) for name, ask in self._of_thought for finding in ask(decision, context)]
        if self._of_screenshot:
            found += self._screenshots(case)
        if self._of_text:
            found += self._words(case)
        return sorted(found, key=lambda each: self._rank[each[0]]) if len(found) > 1 else found

    def _screenshots(self, case: Case) -> Iterator[Found]:
        """Yield what is wrong with the screenshots that a sample shows."""
        for turn, image, shot in case.shots():
            known = self._shots.get(shot)
            if known is None:
                known = self._shots[shot] = tuple(
                    [(name, finding) for name, ask in self._of_screenshot for finding in ask(shot, self._context)]
                )
            for name, finding in known:
                yield name, Finding(finding.path.format(turn=turn, image=image), finding.message)

    def _words(self, case: Case) -> Iterator[Found]:
        """Yield what is wrong with the texts of a sample."""
        goal, turns = case.sample.goal, self._turns
        for name, message in self._texts.get(goal) or self._text(goal):
            yield name, Finding("$.goal", message)
        for number, told in enumerate(case.told):
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
