"""What forbids a detour unless another recording proves it: asked of the graph of screens."""

from pipeline.augmentation.graph import Route
from pipeline.errors.kind import Episode

from .decision import goes_back


def back_not_proved(episode: Episode, index: int) -> bool:
    """Tell whether no recording goes Back from exactly this screen to exactly the one before."""
    before = episode.around(index - 1).state
    return not any(
        route.edge.state == before and goes_back(route.edge.action) for route in episode.around(index).routes
    )


def onward_not_proved(route: Route) -> bool:
    """Tell whether no recording goes from the wrong screen to one equal to the next recorded one."""
    return not route.onward


def other_side(route: Route, split: str) -> bool:
    """Tell whether the screen is of a trajectory on the other side of the split: it must not be shown here."""
    return route.edge.split != split


def on_the_path(episode: Episode, route: Route) -> bool:
    """Tell whether the trajectory itself visits the screen: then going there need not be wrong."""
    return any(around.state == route.edge.state for around in episode.surroundings)


def return_not_proved(route: Route) -> bool:
    """Tell whether no recording returns from the wrong screen to exactly this one."""
    return not route.returns
