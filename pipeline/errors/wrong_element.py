"""`wrong_element`: another element of the screen is tapped; the way back; then the right one.

Precondition: another recording tapped that element on a screen equal to this one, and a recording returns from the
screen that came of it to one equal to this. The screen after the error is the other recording's.
"""

from pipeline.actions import Click
from pipeline.augmentation.graph import Route

from .detours import Detour, escape_of, pick, there_and_back
from .guards import DECISION, forbids, refusal
from .kind import Episode, Injected, Outcome, Refusal, Truth
from .turns import Saying


class WrongElement(Injected):
    """The kind `wrong_element`."""

    name = "wrong_element"
    meaning = "a tap on another element, the way back, the second try"
    truth: Truth = "graph"
    weight = 3.0  # nearly half of the real mistakes of agents are of this kind

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return what comes of a tap on another element of the screen of step `index`."""
        scene, around = episode.scenes[index], episode.around(index)
        if not isinstance(scene.action, Click) or scene.action.point is None:
            return None
        refused = refusal(DECISION, episode, index)
        if refused is not None:
            return refused
        if scene.target is None or scene.target_name is None:
            return Refusal("target_unnamed")
        found: list[Detour] = []
        first = "elsewhere_unknown"
        for route in around.routes:
            detour = self._detour(episode, index, route)
            if isinstance(detour, Detour):
                found.append(detour)
            elif detour is not None and first == "elsewhere_unknown":
                first = detour.guard
        if not found:
            return Refusal(first)
        if forbids("changed_before", episode, index):
            return Refusal("changed_before")
        return there_and_back(episode, index, self.name, pick(episode, index, self.name, found))

    def _detour(self, episode: Episode, index: int, route: Route) -> Detour | Refusal | None:
        scene, edge = episode.scenes[index], route.edge
        if not isinstance(edge.action, Click) or edge.action.count != 1 or edge.action.button != "left":
            return None
        if edge.state in {episode.around(index).state, episode.around(index + 1).state}:
            return None
        aim = scene.named(edge.action)
        if aim is None or aim[0] is scene.target or aim[1] == scene.target_name:
            return None
        if forbids("toggles", aim[0]):
            return Refusal("toggles")
        if forbids("irreversible", aim[1]):
            return Refusal("irreversible")
        if forbids("goal_names_it", aim[1], scene.step.goal):
            return Refusal("goal_names_it")
        if forbids("on_the_path", episode, route):
            return Refusal("on_the_path")
        if forbids("return_not_proved", route):
            return Refusal("return_not_proved")
        if forbids("other_side", route, episode.steps[0].split):
            return Refusal("other_side")
        escape = escape_of(route)
        if escape is None:
            return Refusal("way_out_unknown")
        wrong, target = aim[1], scene.target_name
        return Detour(
            action=edge.action, name=wrong, image=edge.image, escape=escape[0], escape_name=escape[1],
            wrong=Saying("wrong_element_wrong", {"wrong": wrong}),
            out=Saying("wrong_element_escape", {"wrong": wrong}),
            retry=Saying("wrong_element_retry", {"wrong": wrong, "target": target}),
        )  # fmt: skip
