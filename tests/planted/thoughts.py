"""Thoughts that are none, that are about something else, and texts that hold what they should not."""

import json
from collections.abc import Callable

from .messages import each
from .planting import N, Planting
from .store import Row, Store, Tree, react, resay, rethink, taps, thinks


def think(*texts: str, wanted: Callable[[Row], bool] = thinks) -> Callable[[Store], list[str]]:
    """Return what gives single decisions these thoughts."""

    def plant(store: Store) -> list[str]:
        rows = store.pick(N, wanted)
        for row, text in zip(rows, texts * N, strict=False):
            rethink(row, text)
        return [row["sample_id"] for row in rows]

    return plant


def no_thought(row: Row) -> None:
    """No thought at all."""
    with Tree(row, "turns") as turns:
        del turns[-1]["thought"]


def english(row: Row) -> bool:
    """Tell whether the goal is English."""
    return row["lang"] == "en" and thinks(row)


def tap_in_english(row: Row) -> bool:
    """Tell whether the decision is a tap of an English task."""
    return english(row) and taps(row)


def types(row: Row) -> bool:
    """Tell whether the decision is to type."""
    return thinks(row) and json.loads(row["target"])["actions"][0]["type"] == "type"


def early(row: Row) -> bool:
    """Tell whether nothing was typed or scrolled before."""
    done = {turn["actions"][0]["type"] for turn in json.loads(row["turns"])[:-1]}
    return english(row) and taps(row) and not done & {"type", "scroll", "swipe", "drag"}


def another_control(store: Store) -> list[str]:
    """A thought about a control elsewhere on the screen."""

    def others(row: Row) -> list[str]:
        own = json.loads(row["target"])["bbox"]
        elements = json.loads(store.step(row)["observation"]).get("elements", [])
        names = [e["text"] for e in elements if e.get("clickable") and e.get("text") and len(e["text"]) > 3
                 and e["bbox"] != own]  # fmt: skip
        mine = [e["text"] for e in elements if e.get("text") and e["bbox"] == own and e.get("clickable")]
        return [name for name in names if mine and name not in mine[0] and mine[0] not in name]

    rows = store.pick(N, lambda row: tap_in_english(row) and bool(others(row)))
    for row in rows:
        rethink(row, f'The next thing that I need is "{others(row)[0]}", so I tap it.')
    return [row["sample_id"] for row in rows]


def said_over(store: Store) -> list[str]:
    """One thought on many steps."""
    rows = store.pick(4 * N, english, apart=False)
    for row in rows:
        rethink(row, "This is clearly the right thing to do, so I do it now.")
        with Tree(store.step(row), "step") as step:
            step.setdefault("text", {})["thought"] = "This is clearly the right thing to do, so I do it now."
    return [row["sample_id"] for row in rows[:N]]


def habit(store: Store) -> list[str]:
    """One sentence in a third of the thoughts."""
    rows = store.pick(len(store.steps) // 3, english, apart=False)
    for number, row in enumerate(rows):
        thought = f"Let me think step by step about this. Only number {number} is left, so I take it."
        rethink(row, thought)
        with Tree(store.step(row), "step") as step:
            step.setdefault("text", {})["thought"] = thought
    return [row["sample_id"] for row in rows[:N]]


def in_text(*secrets: str) -> Callable[[Store], list[str]]:
    """Return what puts these into texts: a thought, the goal, what was typed."""

    def plant(store: Store) -> list[str]:
        rows = store.pick(N, english)
        rethink(rows[0], f"The form asks for it, so I need {secrets[0]} here.")
        goal = f"{rows[1]['goal']} and send it to {secrets[1 % len(secrets)]}"
        resay(rows[1], lambda text: text.replace(rows[1]["goal"], goal), 1)
        rows[1]["goal"] = goal
        typed = f"hello {secrets[2 % len(secrets)]}"
        call = json.dumps({"action": "type", "text": typed}, ensure_ascii=False)
        react(rows[2], {"type": "type", "text": typed}, call)
        return [row["sample_id"] for row in rows]

    return plant


LONG = "I look at the screen again and I still have to go on with what is left to do here. " * 30

KINDS = {
    "no thought": Planting("thought", each(no_thought, thinks)),
    "a thought of dots": Planting("thought", think("...", "…", " - ")),
    "a thought of one word": Planting("thought_length", think("Tap.", "Next", "OK now", wanted=english)),
    "an essay": Planting("thought_length", think(LONG, wanted=english)),
    "a thought that breaks off": Planting("thought_unfinished", think(
        "The button that I need is here. My action is:", "I need the next page, so", "这里有需要的按钮，我的操作是：")),
    "a Chinese thought": Planting("thought_language", think(
        "屏幕上有需要的按钮，所以点击它。", "我需要先打开这个页面再继续。", wanted=english)),
    "an English thought": Planting("thought_language", think(
        "The button that I need is here, so I tap it.", wanted=lambda row: row["lang"] == "zh" and thinks(row))),
    "coordinates": Planting("thought_coordinates", think(
        "The button is at (512, 430), so I tap it.", "I need the control at [0.51, 0.43] next.",
        "The target is at x=512, so I tap there.", wanted=english)),
    "marks": Planting("thought_marks", think(
        "The red circle shows the button that I need.", "The bounding box marks what I have to tap.",
        "According to the annotation, I need this button.", wanted=english)),
    "neither target nor reason": Planting("thought_reason", think(
        "A page with several items on it.", "The screen shows a list of files.", "Nothing special about this view.",
        wanted=tap_in_english)),
    "another action announced": Planting("thought_action", think(
        "The list goes on below, so I scroll down.", "The page needs a moment, so I wait.",
        "The field has the focus, so I type the name.", wanted=tap_in_english)),
    "another control named": Planting("thought_target", another_control),
    "another text announced": Planting("thought_typed", think(
        'The field has the focus, so I type "zebra crossing" now.', "I need to enter the text 'ten to four' here.",
        "输入框已激活，需要输入“明天再说吧”。", wanted=types)),
    "something that was never done": Planting("thought_claims", think(
        "I have already typed the name, so the next thing is this.", "I've scrolled to the end, so this must be it.",
        "As I saw in step 97, this is what I need next.", wanted=early)),
    "one thought on many steps": Planting("thought_repeated", said_over),
    "one sentence in a third": Planting("sentence_repeated", habit),
    "UTF-8 read as Latin-1": Planting("mojibake", in_text("cafÃ©", "naÃ¯ve", "Ã¥ngstrÃ¶m")),
    "replacement characters": Planting("mojibake", in_text("caf\ufffd", "\ufffd\ufffd")),
    "GBK of replacements": Planting("mojibake", in_text("锟斤拷")),
    "a zero-width space": Planting("unseen", in_text("a\u200bb")),
    "a control character": Planting("unseen", in_text("a\u0007b", "a\u001bb")),
    "writing turned round": Planting("unseen", in_text("a\u202eb")),
    "an e-mail address": Planting("email", in_text("anna.lind@mail.se", "bob@corp.io", "x.y+z@a-b.co.uk")),
    "a telephone number": Planting("phone", in_text("+46 70 123 45 67", "(030) 1234 5678", "13912345678")),
    "a card number": Planting("card", in_text("4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005")),
    "an account number": Planting("iban", in_text(
        "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR14 2004 1010 0505 0001 3M02 606")),
    "a key": Planting("credential", in_text(
        "sk-proj-abcdefghij0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "password: hunter2secret")),
    "a token": Planting("credential", in_text(
        "Bearer 8f3a9c1e7b2d4f6a8c0e", "api_key = 9f8e7d6c5b4a39281706", "https://bob:s3cret@db.corp.io/")),
}  # fmt: skip
