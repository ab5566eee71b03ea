"""Turns a script into a trajectory with its pictures: look, act, look again."""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from jsonschema import Draft202012Validator
from PIL import Image
from playwright.sync_api import Browser
from referencing import Registry, Resource

from pipeline.actions import Action, Click, Scroll, Type
from pipeline.records import Device, Execution, Label, Observation, Outcome, Source, Step, StepText, Trajectory

from .driver import HERE, Driver, RecordingError, chromium
from .scripts.script import Move, Script

SCHEMAS = HERE.parent / "schemas"
APP = (HERE / "app" / "index.html").as_uri()
PHONE = Device(name="Phone 360x800@3", width=1080, height=2400, scale=3)
DESKTOP = Device(name="Desktop 1280x800@1", width=1280, height=800, scale=1)


def start(browser: Browser, script: Script) -> Driver:
    """Return the script's app as it is before the first step."""
    driver = Driver(browser, DESKTOP if script.desktop else PHONE, script.lang)
    driver.open(f"{APP}?app={script.app}&lang={script.lang}")
    return driver


class Recorder:
    """Records one script."""

    def __init__(self, browser: Browser, script: Script) -> None:
        self.script = script
        self.browser = f"Chromium {browser.version}"
        self.device = DESKTOP if script.desktop else PHONE
        self.pictures: dict[str, bytes] = {}
        self._driver = start(browser, script)

    def record(self) -> Trajectory:
        """Play the script and return what happened; the pictures are in `pictures`."""
        with self._driver as driver:
            steps = self._steps()
            final = self._observe("final.png")
            if driver.page.evaluate(self.script.check) is not self.script.success:
                raise RecordingError(f"{self.script.id}: the check says otherwise: {self.script.check}")
        return self._trajectory(steps, final)

    def _steps(self) -> tuple[Step, ...]:
        steps: list[Step] = []
        wrong: int | None = None
        for index, move in enumerate(self.script.moves):
            observation = self._observe(f"{index}.png")
            try:
                action = move.action or self._click(index, move, observation)
                self._act(action)
            except RecordingError as error:
                raise RecordingError(f"{self.script.id}, step {index}: {error}") from error
            label = Label()
            if move.error:
                wrong, label = index, Label(role="error", correct=False, error_kind=move.error, by="human")
            elif move.repairs:
                label = Label(role="recovery", correct=True, by="human", corrects_step=wrong)
            text = StepText(thought=move.think, instruction=move.say)
            steps.append(Step(index, observation, (action,), text, execution=Execution(status="ok"), label=label))
        return tuple(steps)

    def _trajectory(self, steps: tuple[Step, ...], final: Observation) -> Trajectory:
        script = self.script
        return Trajectory(
            schema="gdp.traj/1",
            trajectory_id=script.id,
            goal=script.goal,
            steps=steps,
            platform="web",
            lang=script.lang,
            outcome=Outcome(status="success" if script.success else "failure", by="env", reason=script.reason),
            final_observation=final,
            source=Source(
                dataset="gdp-sample",
                licence="Apache-2.0",
                converter="sample_data/record.py",
                converter_version=self.browser,
            ),
            device=self.device,
            apps=(final.app or script.app,),
        )

    def _observe(self, name: str) -> Observation:
        png = compress(self._driver.picture())
        self.pictures[name] = png
        return self._driver.observe(name, png)

    def _click(self, index: int, move: Move, seen: Observation) -> Click:
        """Return the click on the target, off its centre like a hand's; nothing but script and step say how far."""
        if move.target is None:
            raise RecordingError("neither action nor target")
        noise = hashlib.sha256(f"{self.script.id}/{index}".encode()).digest()
        point, box = self._driver.aim(move.target, seen, noise)
        return Click(point=point, bbox=box)

    def _act(self, action: Action) -> None:
        """Act, and see that typing and scrolling do what the script expects."""
        driver = self._driver
        if isinstance(action, Type) and not driver.has_focus():
            raise RecordingError("typing without a focused field")
        before = driver.scroll_tops() if isinstance(action, Scroll) else []
        driver.act(action)
        if isinstance(action, Scroll):
            asked = (action.dy or 0) / driver.scale
            moved = [b - a for a, b in zip(before, driver.scroll_tops(), strict=True) if a != b]
            if moved != [asked]:
                raise RecordingError(f"asked to scroll by {asked}, moved {moved}")


def compress(png: bytes) -> bytes:
    """Return the same pixels as a PNG without row filters: flat pictures need a fifth less space this way."""
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
        pixels = picture.convert("RGB").tobytes()
    rows = b"".join(b"\0" + pixels[at : at + 3 * width] for at in range(0, len(pixels), 3 * width))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def validator() -> Draft202012Validator:
    """Return the validator of trajectory records."""
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SCHEMAS.glob("*.schema.json"))]
    registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas)
    record = next(schema for schema in schemas if schema["title"] == "Trajectory")
    return Draft202012Validator(record, registry=registry)


def write(trajectory: Trajectory, pictures: dict[str, bytes], out: Path) -> None:
    """Check the record against the schema, then write it and its pictures into a folder of their own."""
    data = msgspec.json.encode(trajectory)
    validator().validate(json.loads(data))
    folder = out / trajectory.trajectory_id
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for name, png in pictures.items():
        (folder / name).write_bytes(png)
    (folder / "trajectory.json").write_bytes(msgspec.json.format(data, indent=1) + b"\n")


def record_all(scripts: list[Script], out: Path, chromium_path: str, say: Callable[[str], None]) -> None:
    """Record the scripts one after the other."""
    with chromium(chromium_path) as browser:
        for script in scripts:
            recorder = Recorder(browser, script)
            trajectory = recorder.record()
            write(trajectory, recorder.pictures, out)
            say(f"{script.id}: {len(trajectory.steps)} steps")
