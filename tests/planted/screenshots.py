"""Screenshots that are broken, of the wrong size, of the wrong step, or show nothing."""

import io
from collections.abc import Callable

from PIL import Image

from .messages import each
from .planting import N, Planting
from .store import Row, Store, Tree, action, deep, painted, repaint, turns


def repainted(change: Callable[[Row], bytes], *, hashed: bool = True) -> Callable[[Store], list[str]]:
    """Return what changes the bytes of screenshots that decisions are taken on."""

    def plant(store: Store) -> list[str]:
        rows = store.pick(N, lambda row: action(row)["type"] == "click")
        for row in rows:
            number = row["images"][-1]["row"]
            repaint(store, number, change(store.pictures()[number]), hashed=hashed)
        return [row["sample_id"] for row in rows]

    return plant


def as_png(picture: Row) -> bytes:
    """The same picture in another format than recorded."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture["bytes"])).save(buffer, "PNG" if picture["format"] != "png" else "WEBP")
    return buffer.getvalue()


def smaller(picture: Row) -> bytes:
    """A picture of half the size."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture["bytes"])) as whole:
        form = whole.format
        whole.resize((whole.width // 2, whole.height // 2)).save(buffer, form)
    return buffer.getvalue()


def bit_flip(picture: Row) -> bytes:
    """One bit of the file turned over."""
    data = bytearray(picture["bytes"])
    data[len(data) // 2] ^= 1
    return bytes(data)


def other_row(row: Row) -> None:
    """A row that holds another picture."""
    row["images"][-1]["row"] = 0 if row["images"][-1]["row"] else 1


def no_row(row: Row) -> None:
    """A row that is not there."""
    row["images"][-1]["row"] = 100_000


def no_shard(row: Row) -> None:
    """A shard that is not there."""
    row["images"][-1]["shard"] = 77


def odd_size(row: Row) -> None:
    """A size that is no multiple of the factor."""
    row["images"][-1]["width"] += 5
    with Tree(row, "turns") as tree:
        tree[-1]["size"][0] += 5


def too_large(row: Row) -> None:
    """Four times the area that was agreed, the factor kept."""
    for ref in row["images"]:
        ref["width"], ref["height"] = 2 * ref["width"], 2 * ref["height"]
    row["image_tokens"] *= 4
    with Tree(row, "turns") as tree:
        for turn in tree:
            turn["size"] = [2 * side for side in turn["size"]]


def too_many(row: Row) -> None:
    """One screenshot more than the policy shows, once in the messages too."""
    extra = dict(row["images"][0])
    row["images"].append(extra)
    row["messages"].insert(-1, {"role": "user", "loss_weight": 0.0, "content": [
        {"type": "image", "text": None, "image": len(row["images"]) - 1}]})  # fmt: skip


def turned_size(row: Row) -> None:
    """A turn's size with width and height exchanged."""
    with Tree(row, "turns") as tree:
        tree[-1]["size"] = tree[-1]["size"][::-1]


def shifted(store: Store) -> list[str]:
    """Each action beside the screenshot after it: the references of a recording moved by one."""
    names = store.recordings(N, lambda rows: len({row["image"]["sha256"] for row in rows if row["image"]}) >= 4)
    found = []
    for name in names:
        refs = {row["step_index"]: row["image"] for row in store.recording(name)}
        for row in store.of(name):
            shown = [turn for turn in turns(row) if turn.get("image") is not None]
            for turn in shown:
                later = refs.get(turn["step_index"] + 1)
                if later:
                    row["images"][turn["image"]] = dict(later)
        found.append(next(row["sample_id"] for row in store.of(name)
                          if refs[row["step_index"]]["sha256"] != row["images"][-1]["sha256"]))  # fmt: skip
    return found


def strangers(store: Store) -> list[str]:
    """The screenshot of another recording."""
    rows = store.pick(N, deep)
    for row in rows:
        own = {each["image"]["sha256"] for each in store.recording(row["trajectory_id"])}
        other = next(each["image"] for each in store.steps if each["image"]["sha256"] not in own
                     and each["image"]["width"] == row["images"][-1]["width"])  # fmt: skip
        row["images"][-1] = dict(other)
    return [row["sample_id"] for row in rows]


def late(store: Store) -> list[str]:
    """The recorder took the next screenshot too early: it shows what was there before."""
    rows = store.pick(N, lambda row: action(row)["type"] == "click" and row["step_index"] + 1
                      < len(store.recording(row["trajectory_id"])))  # fmt: skip
    for row in rows:
        steps = store.recording(row["trajectory_id"])
        before, after = steps[row["step_index"]], steps[row["step_index"] + 1]
        after["image"] = dict(before["image"])
    return [row["sample_id"] for row in rows]


def stretched_device(store: Store) -> list[str]:
    """A device of another shape."""
    rows = store.pick(N)
    for row in rows:
        for step in store.recording(row["trajectory_id"]):
            with Tree(step, "trajectory") as header:
                header.setdefault("device", {}).update(width=1000, height=1100)
    return [row["sample_id"] for row in rows]


def stretched(store: Store) -> list[str]:
    """A screenshot that was recorded in another shape than it is stored."""
    rows = store.pick(N)
    for row in rows:
        with Tree(store.step(row), "observation") as observation:
            observation["image"]["width"] *= 2
        for step in store.recording(row["trajectory_id"]):
            with Tree(step, "trajectory") as header:
                header.pop("device", None)
    return [row["sample_id"] for row in rows]


def mixed(store: Store) -> list[str]:
    """A first screenshot of another size than all that follow."""
    rows = store.pick(N, deep)
    for row in rows:
        first = store.recording(row["trajectory_id"])[0]
        first["image"] = {**first["image"], "width": first["image"]["width"] + 64}
    return [row["sample_id"] for row in rows]


def marked(store: Store) -> list[str]:
    """Marks painted into a screenshot."""
    rows = store.pick(N)
    for row in rows:
        with Tree(store.step(row), "observation") as observation:
            observation["image"]["marked"] = True
    return [row["sample_id"] for row in rows]


def blank(*colour: int) -> Callable[[Store], list[str]]:
    """Return what paints the decision's screenshot in one colour."""
    return repainted(lambda picture: painted(picture["width"], picture["height"], colour))


KINDS = {
    "a file cut off": Planting("image_file", repainted(lambda picture: picture["bytes"][: len(picture["bytes"]) // 2])),
    "an empty file": Planting("image_file", repainted(lambda picture: b"")),
    "a page of text for a picture": Planting("image_file", repainted(lambda picture: b"<html>403 Forbidden</html>")),
    "a bit turned over": Planting("image_file", repainted(bit_flip, hashed=False)),
    "a picture of half the size": Planting("image_file", repainted(smaller)),
    "a file of another format": Planting("image_file", repainted(as_png)),
    "the row of another picture": Planting("image_file", each(other_row)),
    "a row that is not there": Planting("image_file", each(no_row)),
    "a shard that is not there": Planting("image_file", each(no_shard)),
    "a size that is no multiple": Planting("image_size", each(odd_size)),
    "four times the area": Planting("image_budget", each(too_large)),
    "a screenshot too many": Planting("image_budget", each(too_many, lambda row: len(row["images"]) == 3)),
    "a turn's size on its side": Planting("turn_size", each(turned_size)),
    "screenshots moved by one": Planting("step_screen", shifted),
    "another recording's screenshot": Planting("step_screen", strangers),
    "a black screen": Planting("blank_screen", blank(0, 0, 0)),
    "a white screen": Planting("blank_screen", blank(255, 255, 255)),
    "a screenshot taken too early": Planting("unchanged_screen", late),
    "another device's shape": Planting("aspect", stretched_device),
    "a stretched screenshot": Planting("aspect", stretched),
    "screens of two sizes": Planting("mixed_sizes", mixed),
    "marks in the screenshot": Planting("marked_screenshot", marked),
}
"""The two of one colour are JPEG, as is all that the base stores."""
