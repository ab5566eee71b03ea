"""Points that miss: beside their targets, on the wrong grid, with exchanged axes, under something else."""

import json
import re
from collections.abc import Callable

from .messages import each
from .planting import N, Planting
from .store import Row, Store, Tree, react, rebox, resay, retap, taps


def box_of(row: Row) -> list[float]:
    """Return the box of the target."""
    return list(json.loads(row["target"])["bbox"])


def beside(row: Row) -> None:
    """A tap just right of its target."""
    box = box_of(row)
    retap(row, min(box[2] + 0.03, 0.999) if box[2] < 0.97 else max(box[0] - 0.03, 0), (box[1] + box[3]) / 2)


def below(row: Row) -> None:
    """A tap below its target, as where the status bar was cut off."""
    box = box_of(row)
    retap(row, (box[0] + box[2]) / 2, box[3] + 0.04 if box[3] < 0.95 else box[1] - 0.04)


def wrong_box(row: Row) -> None:
    """The box of an element elsewhere."""
    x, y = json.loads(row["target"])["actions"][0]["point"]
    left = 0.7 if x < 0.5 else 0.05
    rebox(row, [left, 0.01, left + 0.1, 0.04] if y > 0.1 else [left, 0.9, left + 0.1, 0.95])


def stale_box(row: Row) -> None:
    """A box that the screen has no element with: of the screen that came after."""
    x, y = json.loads(row["target"])["actions"][0]["point"]
    rebox(row, [max(x - 0.01, 0), max(y - 0.004, 0), min(x + 0.01, 1), min(y + 0.004, 1)])


def reversed_box(row: Row) -> None:
    """Right and left exchanged."""
    x1, y1, x2, y2 = box_of(row)
    rebox(row, [x2, y1, x1, y2])


def width_box(row: Row) -> None:
    """Width and height where the second corner belongs."""
    x1, y1, x2, y2 = box_of(row)
    rebox(row, [x1, y1, min(x2 - x1, x1 / 2), y2])


def flat_box(row: Row) -> None:
    """A box without height."""
    x1, y1, x2, _ = box_of(row)
    rebox(row, [x1, y1, x2, y1])


def coordinate(change: Callable[[Row, int, int], tuple[int, int]]) -> Callable[[Row], None]:
    """Return what writes another point into the answer alone."""

    def edit(row: Row) -> None:
        def other(found: re.Match[str]) -> str:
            x, y = change(row, int(found[1]), int(found[2]))
            return f'"coordinate": [{x}, {y}]'

        resay(row, lambda text: re.sub(r'"coordinate": \[(\d+), (\d+)\]', other, text))

    return edit


def half_grid(row: Row, x: int, y: int) -> tuple[int, int]:
    """Half of both, as on a screenshot of half the size."""
    return x // 2, y // 2


def off_by_five(row: Row, x: int, y: int) -> tuple[int, int]:
    """Five steps of the grid off."""
    return (x + 5 if x < 990 else x - 5), y


def swapped_answer(row: Row, x: int, y: int) -> tuple[int, int]:
    """The vertical first."""
    return y, x


def swapped(row: Row) -> None:
    """The vertical first, everywhere: in turn, target and answer."""
    x, y = json.loads(row["target"])["actions"][0]["point"]
    retap(row, y, x)


def far_from_diagonal(row: Row) -> bool:
    """Tell whether exchanging x and y leads off the target."""
    if not taps(row):
        return False
    (x, y), box = json.loads(row["target"])["actions"][0]["point"], box_of(row)
    return not (box[0] <= y < box[2] and box[1] <= x < box[3])


def on_top(store: Store) -> list[str]:
    """A floating button over the target's point."""
    rows = store.pick(N, taps)
    for row in rows:
        x, y = json.loads(row["target"])["actions"][0]["point"]
        box = box_of(row)
        with Tree(store.step(row), "observation") as observation:
            observation["elements"].append({
                "bbox": [max(x - 0.004, 0), max(y - 0.004, 0), min(box[2] + 0.02, 1), min(y + 0.004, 1)],
                "text": "Chat with us", "role": "button", "clickable": True, "enabled": True, "topmost": True,
            })  # fmt: skip
    return [row["sample_id"] for row in rows]


def narrow(row: Row) -> bool:
    """Tell whether the target leaves room beside it on the right."""
    return taps(row) and box_of(row)[2] < 0.97


def two_there(store: Store) -> list[str]:
    """A row that half overlaps the target."""
    rows = store.pick(N, taps)
    for row in rows:
        x, y = json.loads(row["target"])["actions"][0]["point"]
        box = box_of(row)
        with Tree(store.step(row), "observation") as observation:
            observation["elements"].append({
                "bbox": [max(box[0] - 0.01, 0), y - 0.001, max(x + 0.001, box[0] + 0.002), min(box[3] + 0.03, 1)],
                "text": "Promoted", "role": "listitem", "clickable": True, "enabled": True, "topmost": True,
            })  # fmt: skip
    return [row["sample_id"] for row in rows]


def at_edge(row: Row) -> None:
    """A tap half a pixel from the target's left edge."""
    x1, y1, _, y2 = box_of(row)
    width = json.loads(row["turns"])[-1]["size"][0]
    retap(row, x1 + 0.5 / width, (y1 + y2) / 2)


def wide(row: Row) -> bool:
    """Tell whether the target is so wide that half a pixel is less than 4 % of it."""
    return taps(row) and box_of(row)[2] - box_of(row)[0] > 0.1


def wrong_way(words: str, done: str, finger: str) -> Callable[[Row], None]:
    """Return what makes the decision a scroll that goes the other way than its instruction says."""
    call = f'{{"action": "swipe", "direction": "{finger}", "coordinate": [500, 500]}}'
    scroll = {"type": "scroll", "point": [0.5, 0.5], "direction": done}
    return lambda row: react(row, scroll, call, words)


def other_target(row: Row) -> None:
    """The target of another decision."""
    with Tree(row, "target") as target:
        target["actions"] = [{"type": "button", "name": "back"}]


def other_step(row: Row) -> None:
    """The target is of the step before."""
    with Tree(row, "target") as target:
        target["step_index"] -= 1


KINDS = {
    "a tap beside its target": Planting("beside_target", each(beside, narrow)),
    "a tap below its target": Planting("beside_target", each(below, taps)),
    "another element's box": Planting("beside_target", each(wrong_box, taps)),
    "a tap beside its target, in pixels": Planting("beside_target", each(wrong_box, taps), "pixels"),
    "a target of another screen": Planting("target_gone", each(stale_box, taps)),
    "left and right exchanged": Planting("off_screen", each(reversed_box, taps)),
    "width and height for a corner": Planting("off_screen", each(width_box, taps)),
    "a box without height": Planting("off_screen", each(flat_box, taps)),
    "half of the grid": Planting("off_grid", each(coordinate(half_grid), taps)),
    "five steps off the grid": Planting("off_grid", each(coordinate(off_by_five), taps)),
    "five pixels off": Planting("off_grid", each(coordinate(off_by_five), taps), "pixels"),
    "x and y exchanged in the answer": Planting("off_grid", each(coordinate(swapped_answer), far_from_diagonal)),
    "x and y exchanged": Planting("swapped_axes", each(swapped, far_from_diagonal)),
    "a button on top": Planting("covered_target", on_top),
    "two controls there": Planting("ambiguous_target", two_there),
    "half a pixel inside": Planting("border", each(at_edge, wide)),
    "scrolled up for down": Planting("gesture_direction", each(wrong_way("Scroll down to see more", "up", "down"))),
    "scrolled down for up": Planting("gesture_direction", each(wrong_way("Scroll back up", "down", "up"))),
    "向下滚动 scrolled up": Planting("gesture_direction", each(wrong_way("向下滚动列表", "up", "down"))),
    "another decision's target": Planting("target", each(other_target, taps)),
    "another step's target": Planting("target", each(other_step, taps)),
}
