"""`long_press_instead`: the control is held instead of tapped; what came of it is left; then the tap.

Precondition: another recording held the same element on a screen equal to this one, and a recording returns from what
came of it. Never assumed to do nothing: without a handler of its own a long press may act on release like a tap.
"""

from pipeline.actions import Click, LongPress
from pipeline.errors.guards.wording import asked_for

from .detours import Detour, escape_of, pick, there_and_back
from .guards import DECISION, forbids, refusal
from .kind import Episode, Injected, Outcome, Refusal, Truth
from .turns import Saying


class LongPressInstead(Injected):
    """The kind `long_press_instead`."""

    name = "long_press_instead"
    meaning = "the control is held instead of tapped"
    truth: Truth = "graph"

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return what comes of a long press on the target of step `index`."""
        scene, around = episode.scenes[index], episode.around(index)
        if not isinstance(scene.action, Click) or scene.action.point is None or scene.target is None:
            return None
        held = [
            (route, edge.action)
            for route in around.routes
            if isinstance((edge := route.edge).action, LongPress)
            and (aim := scene.named(edge.action)) is not None
            and aim[0] is scene.target
            and edge.state not in {around.state, episode.around(index + 1).state}
        ]
        if not held:
            return None
        refused = refusal(DECISION, episode, index)
        if refused is not None:
            return refused
        assert scene.target_name is not None
        if forbids("irreversible", scene.target_name):
            return Refusal("irreversible")
        if asked_for(held[0][1], scene.step.goal):
            return Refusal("goal_asks_for_it")
        found: list[Detour] = []
        first: str | None = None
        names: dict[str, str | None] = {"target": scene.target_name}
        for route, action in held:
            escape = escape_of(route)
            if forbids("return_not_proved", route):
                first = first or "return_not_proved"
            elif forbids("other_side", route, episode.steps[0].split):
                first = first or "other_side"
            elif escape is None:
                first = first or "way_out_unknown"
            else:
                wrong, out, retry = (Saying(f"long_press_{each}", names) for each in ("wrong", "escape", "retry"))
                found.append(
                    Detour(action, scene.target_name, route.edge.image, escape[0], escape[1], wrong, out, retry)
                )
        if not found:
            return Refusal(first or "return_not_proved")
        if forbids("changed_before", episode, index):
            return Refusal("changed_before")
        return there_and_back(episode, index, self.name, pick(episode, index, self.name, found))
