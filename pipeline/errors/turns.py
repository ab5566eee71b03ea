"""Make the turns of an error: the slip, which carries no loss, and what repairs it."""

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, Box, Click
from pipeline.describe import sentence
from pipeline.records import ImageRef, Turn
from pipeline.slicing.compose import Shown

from .kind import Episode, Proposal
from .thoughts import say


class Saying(Struct, frozen=True):
    """A cell of `thoughts` and the names that it quotes."""

    cell: str
    slots: dict[str, str | None] = {}
    """A target of None takes the wording without one."""

    def text(self, episode: Episode, *draw: object) -> str:
        """Return one of the wordings in the goal's language."""
        return say(self.cell, episode.lang, episode.seed, *draw, **self.slots)


class Slip(Struct, frozen=True):
    """A wrong action that changes nothing, with what the agent thinks before and after."""

    action: Action
    name: str | None
    """What the action lands on, for its description."""
    wrong: Saying
    right: Saying


def slipped(episode: Episode, index: int, kind: str, slip: Slip, *, first: bool = True) -> Shown:
    """Return the wrong turn on the screen of step `index`."""
    recorded = episode.turn(index)
    return made(
        episode, index, kind, slip.action, slip.wrong, recorded.image, name=slip.name, role="error",
        inbound=first,
    )  # fmt: skip


def made(
    episode: Episode, index: int, kind: str, action: Action, saying: Saying, image: ImageRef | None,
    *, name: str | None = None, role: str = "error", inbound: bool = False,
) -> Shown:  # fmt: skip
    """Return a turn that no recording has at this place; `inbound` keeps what came back before step `index`."""
    turn = Turn(
        step_index=index,
        actions=(replace(action, synth=True, src=None),),
        thought=saying.text(episode, kind, episode.name, index),
        instruction=sentence(action, episode.lang, name),
        inbound=episode.turn(index).turn.inbound if inbound else (),
        role=role,  # type: ignore[arg-type]  # one of the roles
    )
    return Shown(turn, image)


def repaired(episode: Episode, index: int, kind: str, saying: Saying, *, at: int | None = None) -> Shown:
    """Return the recorded turn of step `index`, thought anew as a repair of what happened at step `at`."""
    recorded = episode.turn(index)
    where = index if at is None else at
    thought = saying.text(episode, kind, episode.name, where)
    return Shown(replace(recorded.turn, thought=thought, role="recovery", inbound=()), recorded.image)


def unchanged(episode: Episode, index: int, kind: str, slips: tuple[Slip, ...], right: Saying) -> Proposal:
    """Return the sample in which slips change nothing on the screen of step `index`, then the recorded decision."""
    wrong = [slipped(episode, index, kind, slip, first=n == 0) for n, slip in enumerate(slips)]
    tail = (*wrong, repaired(episode, index, kind, right))
    return Proposal(index, tail, evidence=len(tail), bbox=recorded_box(tail[-1].turn.actions[0]))


def recorded_box(action: Action) -> Box | None:
    """Return the box of the action's target, as far as it is recorded."""
    return action.bbox if isinstance(action, Click) else None
