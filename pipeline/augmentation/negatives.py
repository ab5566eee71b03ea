"""Actions that are wrong for sure at a recorded decision: what a preference pair rejects.

Each entry of `NEGATIVES` looks at one decision and returns a wrong answer, or what leaves a doubt. A doubt is enough:
an action that would do as well as the recorded one would teach the opposite of what is meant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import replace

from pipeline import seeds
from pipeline.actions import Action, Box, Click, LongPress, Point, Terminate, Type, Wait
from pipeline.describe import sentence
from pipeline.errors import Episode, Refusal
from pipeline.errors.scene import Scene, middle, words
from pipeline.errors.thoughts import say
from pipeline.records import Element
from pipeline.screens.geometry import contains
from pipeline.screens.screen import ancestors, hit, interactive, label

LONGEST_NAME = 40
NEAREST = 3
"""A wrong element is one of this many most plausible ones."""
SHORTEST_TEXT = 3


class Negative(Struct, frozen=True):
    """A wrong answer."""

    action: Action
    thought: str
    instruction: str


@dataclass(frozen=True)
class Case:
    """A recorded decision, and how to draw for it."""

    episode: Episode
    index: int
    seed: int

    @property
    def scene(self) -> Scene:
        """The screen."""
        return self.episode.scenes[self.index]

    @property
    def thought(self) -> str:
        """What the agent thought."""
        return self.episode.turn(self.index).turn.thought or ""

    def draw(self, name: str) -> tuple[object, ...]:
        """Return the parts of a draw."""
        return (self.seed, "pairs", name, self.episode.name, self.index)

    def answer(self, action: Action, thought: str, name: str | None = None) -> Negative:
        """Return the wrong answer; `name` is what the action lands on."""
        action = replace(action, synth=True, src=None)
        return Negative(action, thought, sentence(action, self.episode.lang, name))

    def say(self, cell: str, **names: str | None) -> str:
        """Return one wording of a cell."""
        return say(cell, self.episode.lang, *self.draw(cell), **names)


Outcome = Negative | Refusal | None
"""The wrong answer, what leaves a doubt, or None where the kind does not apply."""


def wrong_element(case: Case) -> Outcome:
    """Tap another control, whose name has nothing to do with the target, the goal, or what is tapped later."""
    click, scene = case.scene.action, case.scene
    if not isinstance(click, Click) or click.point is None:
        return None
    if not scene.elements:
        return Refusal("no_elements")
    if scene.target is None or scene.target_name is None:
        return Refusal("target_unnamed")
    goal, point = scene.step.goal, click.point
    wanted = [scene.target_name, *_later_names(case)]
    options = [
        (element, name)
        for number, element, name in _others(scene, scene.target)
        if not any(_alike(name, each) for each in wanted) and _squeezed(name) not in _squeezed(goal)
    ]
    if not options:
        return Refusal("no_other_control")
    near = words(f"{goal} {scene.target_name}")
    options.sort(key=lambda each: (-len(near & words(each[1])), scene.offset(each[0], point)))
    element, name = seeds.pick(options[:NEAREST], *case.draw("wrong_element"))
    wrong = Click(point=middle(element), bbox=element.bbox)
    return case.answer(wrong, case.say("wrong_element_wrong", wrong=name), name)


def off_target(case: Case) -> Outcome:
    """Tap beside the target, out of its reach, where no other control is."""
    click, scene = case.scene.action, case.scene
    if not isinstance(click, Click) or click.point is None:
        return None
    if not scene.elements:
        return Refusal("no_elements")
    if scene.target is None or scene.target.wired:  # what a text passes taps on to may be anywhere
        return Refusal("target_unclear")
    beside = list(_beside(scene, scene.target.bbox, seeds.uniform(*case.draw("how far"))))
    if not beside:
        return Refusal("no_gap")
    point = seeds.pick(beside, *case.draw("off_target"))
    return case.answer(Click(point=point), case.thought, scene.target_name)


def wrong_type(case: Case) -> Outcome:
    """Tap where holding is meant, tap a field that has the focus where typing is meant, or wait where all is there."""
    scene, action = case.scene, case.scene.action
    match action:
        case LongPress(point=point):
            thought = case.say("tap_near_miss_wrong", target=scene.target_name)
            return case.answer(Click(point=point), thought, scene.target_name)
        case Type(point=None):
            field = next((e for e in scene.elements if e.focused and e.editable), None)
            if field is None:
                return Refusal("focus_unknown")
            name = label(scene.elements, field)
            thought = case.say("tap_near_miss_wrong", target=name)
            return case.answer(Click(point=middle(field), bbox=field.bbox), thought, name)
        case Click() if scene.target is not None:
            if scene.observation.settled is not True:
                return Refusal("unsettled")
            return case.answer(Wait(), case.say("wait_needless_wrong"))
        case _:
            return None


def wrong_text(case: Case) -> Outcome:
    """Type the text with a slip; the goal spells it, so every other spelling is wrong."""
    action = case.scene.action
    if not isinstance(action, Type):
        return None
    if len(action.text.strip()) < SHORTEST_TEXT:
        return Refusal("text_too_short")
    goal = case.scene.step.goal
    if action.text.strip().casefold() not in goal.casefold():
        return Refusal("text_not_in_goal")
    typo = _misspelt(action.text, seeds.uniform(*case.draw("wrong_text")))
    if typo is None or typo.casefold() in goal.casefold():
        return Refusal("text_too_short")
    return case.answer(replace(action, text=typo), case.thought.replace(action.text, typo))


def premature_finish(case: Case) -> Outcome:
    """End the task before its last steps, which the recording needed to succeed."""
    last = case.episode.steps[-1].facts
    facts = case.episode.steps[case.index].facts
    assert last is not None
    assert facts is not None
    if isinstance(facts.actions[0], Terminate):
        return None
    if not isinstance(last.actions[-1], Terminate) or last.actions[-1].status != "success":
        return Refusal("end_unknown")
    if case.index >= len(case.episode.steps) - 2:
        return Refusal("near_end")  # what is left may only tidy up
    if facts.label.redundant or isinstance(facts.actions[0], Wait):
        return Refusal("step_redundant")
    return case.answer(Terminate(status="success"), case.say("premature_finish_wrong"))


NEGATIVES: dict[str, Callable[[Case], Outcome]] = {
    "wrong_element": wrong_element,
    "off_target": off_target,
    "wrong_type": wrong_type,
    "wrong_text": wrong_text,
    "premature_finish": premature_finish,
}


def _others(scene: Scene, target: Element) -> Iterator[tuple[int, Element, str]]:
    """Yield the controls that a tap on their middle reaches, and that have nothing to do with the target's place."""
    kin = {
        id(e)
        for n, e in enumerate(scene.elements)
        if e is target or any(a is target for a in ancestors(scene.elements, n))
    }
    number = next(n for n, e in enumerate(scene.elements) if e is target)
    kin |= {id(e) for e in ancestors(scene.elements, number)}
    for n, element in enumerate(scene.elements):
        if id(element) in kin or not interactive(element) or element.topmost is not True or element.enabled is False:
            continue
        name = label(scene.elements, element)
        if name is None or len(name) > LONGEST_NAME or element.wired or _touch(element.bbox, target.bbox):
            continue
        if hit(scene.elements, middle(element)) is element:
            yield n, element, name


def _later_names(case: Case) -> Iterator[str]:
    """Yield the names of what the recording still taps: a step that may come now as well is no mistake."""
    for scene in case.episode.scenes[case.index + 1 :]:
        if scene.target_name is not None:
            yield scene.target_name


def _beside(scene: Scene, box: Box, share: float) -> Iterator[Point]:
    """Yield points beside the box, one a side, further off than a finger's slop, on nothing that reacts."""
    across, down = scene.reach / scene.width, scene.reach / scene.height
    far_x, far_y = share * (box[2] - box[0]) / 4, share * (box[3] - box[1]) / 4
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for point in (
        (box[0] - across - far_x, y), (box[2] + across + far_x, y),
        (x, box[1] - down - far_y), (x, box[3] + down + far_y),
    ):  # fmt: skip
        if (
            0 < point[0] < 1
            and 0 < point[1] < 1
            and not any(contains(live, point) for live in scene.live)
            and not (scene.passed_on(None, point))
        ):
            yield point


def _misspelt(text: str, share: float) -> str | None:
    """Return the text with two neighbouring letters swapped, or with one missing where all are the same."""
    places = [
        n for n in range(len(text) - 1) if text[n : n + 2].isalnum() and text[n].casefold() != text[n + 1].casefold()
    ]
    if not places:
        return None
    place = places[int(share * len(places))]
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def _alike(one: str, other: str) -> bool:
    a, b = _squeezed(one), _squeezed(other)
    return a in b or b in a


def _squeezed(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
