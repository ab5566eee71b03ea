"""Records that every guard lets pass, for tests that change one fact of them."""

from typing import Any

import msgspec

from pipeline.actions import Action, Click
from pipeline.augmentation.graph import NOTHING, Edge, Surrounding
from pipeline.errors import Episode, Proposal
from pipeline.records import Element, ImageRef, Observation, Screenshot, StepText
from pipeline.slicing.compose import Shown
from pipeline.storage.tables import StepFacts, StepRow

BUTTON = Element(bbox=(0.3, 0.4, 0.7, 0.5), text="Photos", role="button", clickable=True, enabled=True, topmost=True)
DEAD = Element(bbox=(0.1, 0.02, 0.6, 0.06), text="My heading", role="heading", clickable=False, topmost=True)
OBSERVATION = Observation(
    image=Screenshot("0.png", 360, 800), elements=(BUTTON, DEAD), app="Test", keyboard=False, overlay=False
)
CLICK = Click(point=(0.5, 0.45))


def step(index: int, **changes: Any) -> StepRow:
    """Return a step of the episode that every guard lets pass."""
    facts = StepFacts(actions=(CLICK,), text=StepText(thought="I tap it.", instruction="Tap Photos"))
    row = StepRow(
        trajectory_id="t", step_index=index, split="train", goal="Open the photos", lang="en", scale=1.0,
        image=ImageRef(f"{index:064d}", 0, index, 352, 800), observation=OBSERVATION, facts=facts,
    )  # fmt: skip
    own = {key: value for key, value in changes.items() if key in StepRow.__struct_fields__}
    known = {key: value for key, value in changes.items() if key in StepFacts.__struct_fields__}
    seen = {key: changes[key] for key in changes if key in Observation.__struct_fields__ and key not in known}
    assert len(own) + len(seen) + len(known) == len(changes)
    return msgspec.structs.replace(
        row,
        **own,
        observation=msgspec.structs.replace(row.observation, **seen),
        facts=msgspec.structs.replace(facts, **known),
    )


def episode(*steps: StepRow, around: dict[int, Surrounding] | None = None) -> Episode:
    """Return the episode of the steps; `around` says what is known of the screens of some."""
    known = around or {}
    return Episode(steps, 0, tuple(known.get(n, NOTHING) for n in range(len(steps))))


def edge(action: Action, state: int, **changes: Any) -> Edge:
    """Return a recorded action that led to the screen of another shard."""
    image = ImageRef("f" * 64, 7, 3, 352, 800)
    plain = Edge(action, None, state, image, "train", overlay=False, keyboard=False)
    return msgspec.structs.replace(plain, **changes)


def proposals(found: object) -> list[Proposal]:
    """Return what a kind proposes; fails where it proposes nothing."""
    assert isinstance(found, tuple), found
    return list(found)


def shown(episode: Episode, proposal: Proposal) -> tuple[Shown, ...]:
    """Return all turns of a proposed sample."""
    return (*episode.shown(proposal.past), *proposal.tail)


def element(base: Element, **changes: Any) -> Element:
    """Return the element with other facts."""
    return msgspec.structs.replace(base, **changes)


def screen(*elements: Element) -> dict[str, Any]:
    """Return the change that makes these the elements of a step."""
    return {"elements": elements}


EDITABLE = Element(bbox=(0.1, 0.7, 0.9, 0.75), editable=True, clickable=True, topmost=True)
INSIDE = element(DEAD, parent=2)


def around(**facts: Any) -> dict[str, Any]:
    """Put the dead text into an enclosing element with these facts."""
    facts = {"clickable": False, **facts}
    return screen(BUTTON, INSIDE, Element(bbox=(0.05, 0.01, 0.65, 0.07), topmost=True, **facts))
