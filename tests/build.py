"""Small trajectories for tests: real pictures, drawn here; every value can be replaced by the test that needs another."""

import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 360, 800


def screen(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return a picture that differs from number to number."""
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width, height // 12), fill=(40, 80 + number * 7 % 150, 160))
    for row in range(6):
        top = height // 6 + row * height // 8
        draw.rectangle((10, top, width - 10, top + height // 10), outline="grey", fill=(240, 240 - number % 40, 245))
        draw.text((20, top + 10), f"screen {number} row {row}", fill="black")
    return picture


def elements(number: int) -> list[dict[str, Any]]:
    """Return the elements of a screen: a dead heading, a dead note, a button, a row with a dead text inside."""
    return [
        {"bbox": [0.1, 0.02, 0.6, 0.06], "text": f"Heading {number}", "role": "heading", "source": "dom",
         "clickable": False, "enabled": True, "topmost": True},
        {"bbox": [0.1, 0.9, 0.6, 0.94], "text": f"Last synced {number} minutes ago", "role": "text", "source": "dom",
         "clickable": False, "enabled": True, "topmost": True},
        {"bbox": [0.3, 0.4, 0.7, 0.5], "text": f"Open {number}", "role": "button", "source": "dom",
         "clickable": True, "enabled": True, "topmost": True},
        {"bbox": [0.05, 0.6, 0.95, 0.7], "role": "listitem", "source": "dom", "clickable": True, "enabled": True,
         "topmost": True},
        {"bbox": [0.1, 0.62, 0.5, 0.66], "text": f"Row {number}", "role": "text", "source": "dom", "parent": 3,
         "clickable": False, "enabled": True, "topmost": True},
    ]  # fmt: skip


def step(index: int, screen_number: int, **changes: Any) -> dict[str, Any]:
    """Return a step that taps the button of its screen."""
    return {
        "index": index,
        "observation": {
            "image": {"path": f"{screen_number}.png", "width": WIDTH, "height": HEIGHT},
            "elements": elements(screen_number),
            "app": "Test",
            "keyboard": False,
            "overlay": False,
        },
        "actions": [{"type": "click", "point": [0.5, 0.45], "bbox": [0.3, 0.4, 0.7, 0.5]}],
        "text": {"thought": f"Screen {screen_number} has the button I need, so I tap it.", "instruction": "Tap it"},
        **changes,
    }


def trajectory(name: str, n_steps: int = 4, first_screen: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a trajectory whose last step terminates."""
    steps = [step(index, first_screen + index) for index in range(n_steps)]
    steps[-1]["actions"] = [{"type": "terminate", "status": "success"}]
    steps[-1]["text"] = {"thought": "Everything is done.", "instruction": "Finish"}
    return {
        "schema": "gdp.traj/1",
        "trajectory_id": name,
        "goal": f"Do the task of {name}",
        "platform": "web",
        "lang": "en",
        "outcome": {"status": "success", "by": "env"},
        "device": {"width": WIDTH, "height": HEIGHT, "scale": 1},
        "steps": steps,
        **changes,
    }


def write(root: Path, document: dict[str, Any]) -> Path:
    """Write the trajectory and the pictures that it names; return its folder."""
    folder = root / document["trajectory_id"].replace("/", "_")
    folder.mkdir(parents=True)
    (folder / "trajectory.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    for each in document["steps"]:
        image = each["observation"]["image"]
        path = folder / image["path"]
        if not path.exists() and path.stem.isdigit():
            screen(int(path.stem), image["width"], image["height"]).save(path)
    return folder


def corpus(root: Path, n: int = 6, n_steps: int = 4) -> Path:
    """Write `n` trajectories with different screens and return their folder."""
    for number in range(n):
        write(root, trajectory(f"t{number}", n_steps, first_screen=number * 10))
    return root
