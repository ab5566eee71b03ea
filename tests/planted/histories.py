"""Histories with gaps, other actions or other screenshots than were, and errors out of sight."""

import json

from .messages import each, past_answer
from .planting import N, Planting
from .store import Row, Store, Tree, deep, resay


def _without(row: Row, number: int) -> None:
    """Take a turn of the history out, its screenshot and its messages with it."""
    with Tree(row, "turns") as turns:
        gone = turns.pop(number)
        image = gone.get("image")
        for turn in turns:
            if image is not None and turn.get("image", -1) > image:
                turn["image"] -= 1
    at = [n for n, message in enumerate(row["messages"]) if message["role"] == "assistant"][number]
    del row["messages"][at]
    if image is not None:
        ref = row["images"].pop(image)
        row["image_tokens"] -= ref["width"] * ref["height"] // 32**2
        row["messages"] = [m for m in row["messages"] if not any(p["image"] == image for p in m["content"])]
        for message in row["messages"]:
            for part in message["content"]:
                if part["type"] == "image" and part["image"] > image:
                    part["image"] -= 1


def gap(row: Row) -> None:
    """A step in the middle left out."""
    _without(row, len(json.loads(row["turns"])) - 2)


def no_start(row: Row) -> None:
    """The first step left out."""
    _without(row, 0)


def exchanged(row: Row) -> None:
    """Two steps of the history in the wrong order."""
    with Tree(row, "turns") as turns:
        turns[0], turns[1] = turns[1], turns[0]


def other_action(row: Row) -> None:
    """An earlier step that went back instead, in turn and message alike."""
    with Tree(row, "turns") as turns:
        turns[0]["actions"] = [{"type": "button", "name": "back"}]
    resay(row, lambda text: text[: text.index("<tool_call>")] + '<tool_call>\n{"name": "mobile_use", "arguments": '
          '{"action": "system_button", "button": "back"}}\n</tool_call>', past_answer(row))  # fmt: skip


def typed_before(row: Row) -> bool:
    """Tell whether an earlier step typed."""
    return any(turn["actions"][0]["type"] == "type" for turn in json.loads(row["turns"])[:-1])


def other_text(store: Store) -> list[str]:
    """Another text than was typed."""
    rows = store.pick(N, typed_before, apart=False)
    for row in rows:
        with Tree(row, "turns") as turns:
            typed = next(turn for turn in turns[:-1] if turn["actions"][0]["type"] == "type")
            typed["actions"][0]["text"] = "zzz"
    return [row["sample_id"] for row in rows]


def unseen_step(row: Row) -> None:
    """The screenshot before the decision dropped, though the policy shows it."""
    with Tree(row, "turns") as turns:
        shown = [turn for turn in turns if turn.get("image") is not None]
        image = shown[-2].pop("image")
        shown[-1]["image"] = image
    ref = row["images"].pop(image)
    row["image_tokens"] -= ref["width"] * ref["height"] // 32**2
    row["messages"] = [m for m in row["messages"] if not any(p["image"] == image for p in m["content"])]
    for message in row["messages"]:
        for part in message["content"]:
            if part["type"] == "image" and part["image"] > image:
                part["image"] -= 1


def goal_gone(row: Row) -> None:
    """A conversation that asks for something else."""
    row["messages"][1]["content"][0]["text"] = "Please go on."


def goal_empty(row: Row) -> None:
    """No goal at all."""
    row["goal"] = " "


def error_renamed(store: Store) -> list[str]:
    """A mistake that calls itself normal."""
    rows = store.corrections(N, lambda row: '"role":"error"' in row["turns"])
    for row in rows:
        row["turns"] = row["turns"].replace('"role":"error"', '"role":"normal"')
    return [row["sample_id"] for row in rows]


def repair_renamed(store: Store) -> list[str]:
    """A repair that calls itself normal."""
    rows = store.corrections(N, lambda row: '"role":"recovery"' in row["turns"] and '"role":"error"' in row["turns"])
    for row in rows:
        row["turns"] = row["turns"].replace('"role":"recovery"', '"role":"normal"')
    return [row["sample_id"] for row in rows]


def earlier_gone(row: Row) -> bool:
    """Tell whether two screenshots are shown at least, after two steps."""
    return deep(row) and len(row["images"]) >= 2


KINDS = {
    "a step left out": Planting("history_steps", each(gap)),
    "the first step left out": Planting("history_steps", each(no_start)),
    "steps exchanged": Planting("history_steps", each(exchanged)),
    "another earlier action": Planting("history_actions", each(other_action)),
    "another text typed before": Planting("history_actions", other_text),
    "a screenshot dropped": Planting("history_screens", each(unseen_step, earlier_gone)),
    "another task's conversation": Planting("goal", each(goal_gone)),
    "an empty goal": Planting("goal", each(goal_empty)),
    "a mistake called normal": Planting("error_seen", error_renamed),
    "a repair called normal": Planting("error_turns", repair_renamed),
}
