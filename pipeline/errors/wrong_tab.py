"""`wrong_tab`: the wrong tab of a bar is tapped, then the right one.

Precondition: another recording tapped that tab on a screen equal to this one, and a recording goes from there by the
right tab to a screen equal to the next recorded one. Tabs are symmetric: there is nothing to undo.
"""

from pipeline import seeds
from pipeline.actions import Click
from pipeline.augmentation.graph import Edge, Route
from pipeline.records import Element
from pipeline.screens.states import short_role

from .guards import DECISION, forbids, refusal
from .kind import Episode, Injected, Outcome, Proposal, Refusal, Truth
from .turns import Saying, made, recorded_box

TABS = frozenset({"actionbartab", "bottomnavigationitemview", "tab", "tabitem", "tabview"})


class WrongTab(Injected):
    """The kind `wrong_tab`."""

    name = "wrong_tab"
    meaning = "the wrong tab, then the right one"
    truth: Truth = "graph"

    def propose(self, episode: Episode, index: int) -> Outcome:
        """Return what comes of a tap on another tab of the screen of step `index`."""
        scene, around = episode.scenes[index], episode.around(index)
        if not isinstance(scene.action, Click) or scene.target is None or not is_tab(scene.target):
            return None
        refused = refusal(DECISION, episode, index)
        if refused is not None:
            return refused
        if scene.target_name is None:
            return Refusal("target_unnamed")
        found: list[tuple[Route, Edge, str]] = []
        first = "elsewhere_unknown"
        for route in around.routes:
            tab = _tab(episode, index, route)
            if tab is None:
                continue
            if forbids("goal_names_it", tab, scene.step.goal) or forbids("on_the_path", episode, route):
                first = "on_the_path" if forbids("on_the_path", episode, route) else "goal_names_it"
                continue
            right = next((e for e in route.onward if isinstance(e.action, Click) and e.name == scene.target_name), None)
            if forbids("onward_not_proved", route) or right is None:
                first = "onward_not_proved"
            elif forbids("other_side", route, episode.steps[0].split):
                first = "other_side"
            else:
                found.append((route, right, tab))
        if not found:
            return Refusal(first)
        if forbids("changed_before", episode, index):
            return Refusal("changed_before")
        return (
            self._compose(episode, index, *seeds.pick(found, episode.seed, self.name, episode.name, index, "where")),
        )

    def _compose(self, episode: Episode, index: int, route: Route, right: Edge, tab: str) -> Proposal:
        target = episode.scenes[index].target_name
        here = episode.turn(index).image
        saying = Saying("wrong_tab_wrong", {"wrong": tab})
        wrong = made(episode, index, self.name, route.edge.action, saying, here, name=tab, inbound=True)
        saying = Saying("wrong_tab_right", {"wrong": tab, "target": target})
        repair = made(
            episode, index, self.name, right.action, saying, route.edge.image, name=target, role="recovery"
        )  # fmt: skip
        return Proposal(index, (wrong, repair), bbox=recorded_box(right.action))


def is_tab(element: Element) -> bool:
    """Tell whether the element is one of a bar of tabs."""
    return short_role(element.role).replace("$", "") in TABS


def _tab(episode: Episode, index: int, route: Route) -> str | None:
    """Return the name of the other tab that a route taps, None if it does something else."""
    scene, edge = episode.scenes[index], route.edge
    if not isinstance(edge.action, Click) or edge.action.count != 1:
        return None
    if edge.state in {episode.around(index).state, episode.around(index + 1).state}:
        return None
    aim = scene.named(edge.action)
    return None if aim is None or aim[0] is scene.target or not is_tab(aim[0]) else aim[1]
