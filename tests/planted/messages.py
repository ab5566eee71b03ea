"""Conversations that are not what they should be: roles, weights, screenshots, answers."""

import json
import re
from collections.abc import Callable

from .planting import N, Planting
from .store import Row, Store, Tree, deep, resay, said


def each(edit: Callable[[Row], object], wanted: Callable[[Row], bool] = deep) -> Callable[[Store], list[str]]:
    """Return what edits single clean samples."""

    def plant(store: Store) -> list[str]:
        rows = store.pick(N, wanted)
        for row in rows:
            edit(row)
        return [row["sample_id"] for row in rows]

    return plant


def answer(edit: Callable[[str], str]) -> Callable[[Store], list[str]]:
    """Return what edits the text of the trained answer."""
    return each(lambda row: resay(row, edit))


def weigh(number: int, weight: float) -> Callable[[Row], None]:
    """Return what sets the weight of a message."""

    def edit(row: Row) -> None:
        row["messages"][number]["loss_weight"] = weight

    return edit


def past_answer(row: Row) -> int:
    """Return the number of the first answer of the history."""
    return next(n for n, message in enumerate(row["messages"]) if message["role"] == "assistant")


def train_history(row: Row) -> None:
    """An earlier answer that is trained too, in turns and messages."""
    row["messages"][past_answer(row)]["loss_weight"] = 1.0
    with Tree(row, "turns") as turns:
        turns[0]["loss_weight"] = 1.0


def train_error(store: Store) -> list[str]:
    """The mistake is trained beside its correction."""
    rows = store.corrections(N, lambda row: '"role":"error"' in row["turns"])
    for row in rows:
        with Tree(row, "turns") as turns:
            for turn in turns:
                if turn.get("role") == "error":
                    turn["loss_weight"] = 1.0
    return [row["sample_id"] for row in rows]


def train_none_of_window(row: Row) -> None:
    """The last answer of a window is not trained."""
    row["messages"][-1]["loss_weight"] = 0.0


def swap_images(row: Row) -> None:
    """Two screenshots change places."""
    shown = [part for message in row["messages"] for part in message["content"] if part["type"] == "image"]
    shown[0]["image"], shown[1]["image"] = shown[1]["image"], shown[0]["image"]


def beyond_images(row: Row) -> None:
    """A screenshot that the sample does not have."""
    shown = [part for message in row["messages"] for part in message["content"] if part["type"] == "image"]
    shown[-1]["image"] = len(row["images"]) + 3


def twice_images(row: Row) -> None:
    """The first screenshot twice."""
    shown = [part for message in row["messages"] for part in message["content"] if part["type"] == "image"]
    shown[-1]["image"] = 0


def swap_roles(row: Row) -> None:
    """User and assistant exchanged."""
    other = {"user": "assistant", "assistant": "user", "system": "system"}
    for message in row["messages"]:
        message["role"] = other[message["role"]]


def no_system(row: Row) -> None:
    """No system turn."""
    row["messages"] = row["messages"][1:]


def second_system(row: Row) -> None:
    """A system turn in the middle."""
    row["messages"][3]["role"] = "system"


def no_content(row: Row) -> None:
    """A turn without anything in it."""
    row["messages"][past_answer(row)]["content"] = []


def blank_text(row: Row) -> None:
    """A text of spaces."""
    said(row, past_answer(row))["text"] = " \n\u200b "


def control_in_goal(row: Row) -> None:
    """The goal ends the user's turn, in every place where it stands."""
    goal = row["goal"] + "<|im_end|>\n<|im_start|>assistant"
    resay(row, lambda text: text.replace(row["goal"], goal), 1)
    row["goal"] = goal


def control_in_history(row: Row) -> None:
    """An earlier thought holds a token that stands for a picture."""
    resay(row, lambda text: text.replace("<thinking>\n", "<thinking>\n<|image_pad|> "), past_answer(row))


def other_layout(row: Row) -> None:
    """The name of another layout."""
    row["layout"] = "qwen3-vl"


def reword_history(row: Row) -> None:
    """An earlier answer in other words."""
    resay(row, lambda text: text.replace("<thinking>\n", "<thinking>\nWell. "), past_answer(row))


def reword_system(row: Row) -> None:
    """A system prompt of another version."""
    resay(row, lambda text: text.replace("999", "1000"), 0)


def reword_goal(row: Row) -> None:
    """The instruction of another task."""
    resay(row, lambda text: text + " now", 1)


def second_call(text: str) -> str:
    """Two calls in one answer."""
    call = text[text.index("<tool_call>") :]
    return f"{text}\n{call}"


def quotes(text: str) -> str:
    """Python's quotes for JSON's."""
    head, call = text.split("<tool_call>\n")
    return f"{head}<tool_call>\n" + call.replace('"', "'")


def as_text(text: str) -> str:
    """Arguments as a text that holds JSON."""
    found = re.search(r'"arguments": (\{.*\})\}', text)
    assert found
    return text.replace(found[1], json.dumps(found[1]))


def more_tokens(row: Row) -> None:
    """Another number of picture tokens."""
    row["image_tokens"] += 100


KINDS = {
    "no system turn": Planting("roles", each(no_system)),
    "user and assistant exchanged": Planting("roles", each(swap_roles)),
    "a second system turn": Planting("roles", each(second_system)),
    "an earlier answer trained": Planting("trained_turns", each(train_history)),
    "nothing trained": Planting("trained_turns", each(weigh(-1, 0.0))),
    "the user trained": Planting("trained_turns", each(weigh(1, 1.0))),
    "a mistake trained": Planting("trained_turns", train_error),
    "a window's last answer not trained": Planting("trained_turns", each(train_none_of_window), "window"),
    "a weight that is no number": Planting("weights", each(weigh(-1, float("inf")))),
    "screenshots exchanged": Planting("image_order", each(swap_images)),
    "a screenshot twice": Planting("image_order", each(twice_images)),
    "a screenshot that is not there": Planting("image_order", each(beyond_images)),
    "a turn without content": Planting("empty_turn", each(no_content)),
    "a text of spaces": Planting("empty_turn", each(blank_text)),
    "a control token in the goal": Planting("control_token", each(control_in_goal)),
    "a control token in the history": Planting("control_token", each(control_in_history)),
    "another layout's name": Planting("layout", each(other_layout)),
    "an earlier answer reworded": Planting("rendering", each(reword_history)),
    "another system prompt": Planting("rendering", each(reword_system)),
    "another instruction": Planting("rendering", each(reword_goal)),
    "two calls": Planting("response", answer(second_call)),
    "a misspelt tag": Planting("response", answer(lambda text: text.replace("thinking>", "think>"))),
    "no thinking block": Planting("response", answer(lambda text: text[text.index("<tool_call>") :])),
    "words after the call": Planting("response", answer(lambda text: text + "\nDone.")),
    "single quotes": Planting("response", answer(quotes)),
    "arguments as text": Planting("response", answer(as_text)),
    "an undeclared action": Planting(
        "response", answer(lambda text: re.sub(r'"action": "\w+"', '"action": "tap_on"', text))),
    "another tool": Planting("response", answer(lambda text: text.replace('"mobile_use"', '"computer_use"'))),
    "a call cut off": Planting("response", answer(lambda text: text[:-20])),
    "another number of picture tokens": Planting("image_tokens", each(more_tokens)),
}  # fmt: skip
