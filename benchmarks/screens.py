"""Screens that compress and resize like real ones, and trajectories over them: what the benchmarks run on."""

import io
import json
import os
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1080, 2400
VOCABULARY = """
open file share folder photo message today settings network battery account search music video map route invoice meeting
garden winter market ticket update password calendar reminder weather contact delivery cart
"""
WORDS = VOCABULARY.split()
Element = dict[str, Any]


class Screen:
    """A screen while it is drawn, and the elements on it."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)  # noqa: S311 - a seed, not a secret
        dark = number % 5 == 4
        self.paper, self.ink = ((18, 18, 22), (225, 225, 230)) if dark else ((250, 250, 252), (32, 33, 36))
        self.picture = Image.new("RGB", (WIDTH, HEIGHT), self.paper)
        self.draw = ImageDraw.Draw(self.picture)
        self.elements: list[Element] = []
        self.text(40, 20, 34, f"{number % 24:02d}:{number % 60:02d}")
        self.colour = tuple(self.random.randrange(40, 200) for _ in range(3))
        self.draw.rectangle((0, 80, WIDTH, 230), fill=self.colour)
        self.text(60, 115, 60, self.words(2), fill=(255, 255, 255), role="heading")

    def words(self, n: int) -> str:
        """Return some words."""
        return " ".join(self.random.choice(WORDS) for _ in range(n)).capitalize()

    def text(self, x: int, y: int, size: int, text: str, **options: Any) -> None:
        """Draw a line of text, an element of its own."""
        fill = options.get("fill", self.ink)
        self.draw.text((x, y), text, fill=fill, font=ImageFont.load_default(size))
        width = min(len(text) * size // 2, WIDTH - x)
        self.element(x, y, x + width, y + size, text=text, role=options.get("role", "text"))

    def element(self, x1: int, y1: int, x2: int, y2: int, **fields: Any) -> None:
        """Note an element."""
        box = [x1 / WIDTH, y1 / HEIGHT, min(x2, WIDTH) / WIDTH, min(y2, HEIGHT) / HEIGHT]
        fields = {"clickable": False, "enabled": True, "topmost": True, **fields}
        self.elements.append({"bbox": box, "source": "a11y", **fields})

    def photo(self, x: int, y: int, width: int, height: int, grain: float = 3) -> None:
        """Draw something with the statistics of a photograph: soft shapes, a few edges, grain."""
        seed = self.random.randrange(1 << 30)
        rough = Image.frombytes("RGB", (5, 5), random.Random(seed).randbytes(75))  # noqa: S311
        soft = rough.resize((width, height), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(soft)
        for _ in range(6):
            left, top = self.random.randrange(width), self.random.randrange(height)
            fill = tuple(self.random.randrange(256) for _ in range(3))
            draw.ellipse((left, top, left + width // 5, top + height // 6), fill=fill)
        noise = Image.merge("RGB", [Image.effect_noise((width, height), 60)] * 3)
        self.picture.paste(Image.blend(soft, noise, grain / 60), (x, y))
        self.element(x, y, x + width, y + height, role="image", clickable=True)

    def avatar(self, x: int, y: int, size: int) -> None:
        """Draw a round icon."""
        fill = tuple(self.random.randrange(60, 240) for _ in range(3))
        self.draw.ellipse((x, y, x + size, y + size), fill=fill)


def listing(screen: Screen) -> None:
    """Draw a list with icons and two lines a row."""
    for row in range(13):
        top = 270 + row * 160
        screen.avatar(50, top, 110)
        screen.text(200, top + 10, 42, screen.words(4))
        screen.text(200, top + 65, 32, screen.words(7), fill=(128, 128, 132))
        screen.draw.line((200, top + 140, WIDTH, top + 140), fill=(200, 200, 204))
        screen.element(0, top - 10, WIDTH, top + 140, role="listitem", clickable=True)


def article(screen: Screen) -> None:
    """Draw a page of text under a picture."""
    screen.photo(0, 230, WIDTH, 420, grain=1)
    for row in range(34):
        screen.text(60, 690 + row * 50, 36, screen.words(8))


def gallery(screen: Screen) -> None:
    """Draw a grid of photographs."""
    for row in range(3):
        for column in range(3):
            screen.photo(10 + column * 357, 260 + row * 420, 347, 410, grain=0.2)
    screen.photo(10, 1530, 1060, 850, grain=0)


def settings(screen: Screen) -> None:
    """Draw flat rows with switches."""
    for row in range(15):
        top = 270 + row * 140
        screen.text(60, top + 20, 44, screen.words(3))
        on = screen.random.random() < 0.5
        screen.draw.rounded_rectangle((900, top + 20, 1010, top + 80), 30, fill=screen.colour if on else (180,) * 3)
        screen.draw.ellipse((950 if on else 905, top + 23, 1005 if on else 958, top + 77), fill="white")
        screen.element(0, top, WIDTH, top + 120, role="switch", clickable=True, checked=on)


def chat(screen: Screen) -> None:
    """Draw bubbles left and right, one of them a photograph."""
    for row in range(11):
        top, left = 270 + row * 190, 60 if row % 3 else 360
        screen.draw.rounded_rectangle((left, top, left + 640, top + 160), 40, fill=screen.colour if row % 3 else "grey")
        screen.text(left + 40, top + 30, 36, screen.words(5), fill=(255, 255, 255))
        screen.text(left + 40, top + 85, 36, screen.words(4), fill=(255, 255, 255))
    screen.photo(360, 1030, 600, 560, grain=0.6)


def shop(screen: Screen) -> None:
    """Draw cards with a picture, a price and a button."""
    for row in range(3):
        top = 270 + row * 690
        screen.photo(40, top, 1000, 440, grain=0.4 * row)
        screen.text(60, top + 460, 46, screen.words(5))
        screen.text(60, top + 530, 40, f"{screen.random.randrange(5, 900)}.99")
        screen.draw.rounded_rectangle((700, top + 530, 1020, top + 630), 50, fill=screen.colour)
        screen.text(760, top + 555, 42, "Add to cart", fill=(255, 255, 255))
        screen.element(700, top + 530, 1020, top + 630, role="button", clickable=True)


KINDS: tuple[Callable[[Screen], None], ...] = (listing, article, settings, shop, listing, chat, settings, gallery)


def draw(number: int) -> Screen:
    """Return screen `number`; equal numbers give equal screens, but for the grain of photographs."""
    screen = Screen(number)
    KINDS[number % len(KINDS)](screen)
    return screen


def encoded(picture: Image.Image, form: str) -> bytes:
    """Return the file as a device would write it."""
    buffer = io.BytesIO()
    if form == "png":
        picture.save(buffer, "PNG", compress_level=4)
    else:
        picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def trajectory(root: Path, name: str, first: int, n_steps: int, form: str, *, small: bool = False) -> None:
    """Write one trajectory whose screens start at number `first`.

    A `small` one has the elements of real screens under tiny pictures of one colour: for what never looks at pixels.
    """
    folder = root / name
    folder.mkdir(parents=True)
    steps = []
    for index in range(n_steps):
        if small:
            path, size, elements = f"{index}.{form}", {"width": 270, "height": 600}, _elements((first + index) % 24)
            colour = (index * 12 % 256, first // n_steps % 256, first // n_steps // 256)
            (folder / path).write_bytes(encoded(Image.new("RGB", (270, 600), colour), form))
        else:
            screen = draw(first + index)
            path, size, elements = f"{index}.{form}", {"width": WIDTH, "height": HEIGHT}, screen.elements
            (folder / path).write_bytes(encoded(screen.picture, form))
        box = next((e["bbox"] for e in elements if e["clickable"]), elements[-1]["bbox"])
        action: dict[str, Any] = {"type": "click", "point": [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], "bbox": box}
        if index == n_steps - 1:
            action = {"type": "terminate", "status": "success"}
        thought = f"Step {index} of {name}: the screen lists what I need, so I open the first entry and look on."
        observation = {"image": {"path": path, **size}, "elements": elements, "app": "Bench",
                       "keyboard": False, "overlay": False}  # fmt: skip
        steps.append({"index": index, "observation": observation, "actions": [action],
                      "text": {"thought": thought}})  # fmt: skip
    document = {"schema": "gdp.traj/1", "trajectory_id": name, "goal": f"Find the offer {name} and open it",
                "platform": "android", "device": {"width": WIDTH, "height": HEIGHT, "scale": 3},
                "outcome": {"status": "success", "by": "env"}, "steps": steps}  # fmt: skip
    (folder / "trajectory.json").write_text(json.dumps(document), encoding="utf-8")


@cache
def _elements(number: int) -> list[Element]:
    return draw(number).elements


def _again(root: Path, name: str, new: str) -> None:
    """Write a trajectory once more under another name, with links to its screenshots."""
    shutil.copytree(root / name, root / new, copy_function=os.link)
    path = root / new / "trajectory.json"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    path.write_text(text.replace(name, new), encoding="utf-8")


def corpus(root: Path, n: int, n_steps: int, form: str = "png", *, small: bool = False, distinct: int = 0) -> Path:
    """Write `n` trajectories, unless an earlier run did; return their folder.

    All have screens of their own, or only the first `distinct` ones have, and the others link to those.
    """
    folder = root / f"{form}-{n}x{n_steps}{'-small' if small else ''}"
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        make = partial(trajectory, folder / "trajectories", n_steps=n_steps, form=form, small=small)
        names, starts = [f"bench-{k:05d}" for k in range(n)], range(0, n * n_steps, n_steps)
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            list(pool.map(make, names[: distinct or n], starts, chunksize=4))
        for k in range(distinct or n, n):
            _again(folder / "trajectories", names[k % distinct], names[k])
        done.touch()
    return folder / "trajectories"
