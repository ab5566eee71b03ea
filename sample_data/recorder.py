"""Drives the sample app in Chromium and turns a script into a trajectory with its pictures."""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from referencing import Registry, Resource

from pipeline.actions import Action, Box, Button, Click, Point, Scroll, Type
from pipeline.geometry import inside
from pipeline.records import (
    Device,
    Element,
    Execution,
    Label,
    Observation,
    Outcome,
    Screenshot,
    ScrollState,
    Source,
    Step,
    StepText,
    Trajectory,
)

from .scripts.script import Script, Target

HERE = Path(__file__).resolve().parent
SCHEMAS = HERE.parent / "schemas"
ELEMENTS = (HERE / "elements.js").read_text(encoding="utf-8").split("\n", 1)[1]
CLOCK = "2026-03-12T09:30:00Z"
PHONE = Device(name="Phone 360x800@3", width=1080, height=2400, scale=3)
DESKTOP = Device(name="Desktop 1280x800@1", width=1280, height=800, scale=1)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-lcd-text",
    "--disable-smooth-scrolling",
    "--hide-scrollbars",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
)
SETTLE = """async () => {
  await document.fonts.ready;
  while (App.pending) await new Promise((done) => setTimeout(done, 5));
  for (let i = 0; i < 2; i++) await new Promise((done) => requestAnimationFrame(done));
}"""
BACK = """() => new Promise((done) => {
  addEventListener("popstate", done, { once: true });
  history.back();
}).then(() => undefined)"""
HIT = """([x, y]) => {
  const hit = document.elementFromPoint(x, y);
  const clickable = hit && hit.closest("button, input, textarea, label[for], [data-act]");
  const own = (clickable || hit).getBoundingClientRect();
  return [own.left, own.top, own.right, own.bottom];
}"""
SCROLL_TOPS = """() => [...document.querySelectorAll("[data-scroll]")].map((el) => el.scrollTop)"""


class RecordingError(RuntimeError):
    """The app did not do what the script says."""


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Start Chromium without a window and close it afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS), headless=True)
        try:
            yield browser
        finally:
            browser.close()


class Recorder:
    """Records one script: look, act, look again."""

    def __init__(self, browser: Browser, script: Script) -> None:
        self.script = script
        self.browser = f"Chromium {browser.version}"
        self.device = DESKTOP if script.desktop else PHONE
        self.scale = int(self.device.scale or 1)
        self.size = (self.device.width or 1, self.device.height or 1)
        self.css = (self.size[0] // self.scale, self.size[1] // self.scale)
        self.pictures: dict[str, bytes] = {}
        self.context = browser.new_context(
            viewport={"width": self.css[0], "height": self.css[1]},
            device_scale_factor=self.scale,
            locale="zh-CN" if script.lang == "zh" else "en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
        )

    def record(self) -> Trajectory:
        """Play the script and return what happened; the pictures are in `pictures`."""
        try:
            page = self.context.new_page()
            page.clock.set_fixed_time(CLOCK)
            page.goto(f"{(HERE / 'app' / 'index.html').as_uri()}?app={self.script.app}&lang={self.script.lang}")
            steps = self._steps(page)
            final = self._observe(page, "final.png")
            if page.evaluate(self.script.check) is not self.script.success:
                raise RecordingError(f"{self.script.id}: the check says otherwise: {self.script.check}")
        finally:
            self.context.close()
        return self._trajectory(steps, final)

    def _steps(self, page: Page) -> tuple[Step, ...]:
        steps: list[Step] = []
        wrong: int | None = None
        for index, move in enumerate(self.script.moves):
            observation = self._observe(page, f"{index}.png")
            action = move.action or self._click(page, index, move.target, observation)
            try:
                self._act(page, action)
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

    def _observe(self, page: Page, name: str) -> Observation:
        """Wait until nothing changes, then take the picture and list what is visible."""
        page.evaluate(SETTLE)
        raw = page.screenshot(animations="disabled", caret="hide", scale="device")
        png = compress(raw)
        self.pictures[name] = png
        seen = page.evaluate(ELEMENTS)
        image = Screenshot(name, *self.size, sha256=hashlib.sha256(png).hexdigest(), mime="image/png")
        return Observation(
            image=image,
            elements=tuple(self._element(item) for item in seen["elements"]),
            app=seen["app"],
            activity=seen["activity"],
            url=seen["url"],
            keyboard=False,
            overlay=seen["overlay"],
        )

    def _element(self, item: dict[str, Any]) -> Element:
        scroll = item["scroll"] and ScrollState(**{k: round(v * self.scale, 2) for k, v in item["scroll"].items()})
        flags = {k: item[k] for k in ("parent", "clickable", "enabled", "editable", "focused", "checked", "topmost")}
        box = self._box(item["box"])
        return Element(bbox=box, text=item["text"], role=item["role"], source="dom", scroll=scroll, **flags)

    def _box(self, box: list[float]) -> Box:
        x1, y1, x2, y2 = (round(value / self.css[i % 2], 6) for i, value in enumerate(box))
        return (x1, y1, x2, y2)

    def _click(self, page: Page, index: int, target: Target | None, seen: Observation) -> Click:
        """Return the click on the target: near its centre, on a point where nothing covers it."""
        if target is None:
            raise RecordingError(f"{self.script.id}, step {index}: neither action nor target")
        found = [e for e in seen.elements if e.topmost and (e.text, target.role or e.role) == (target.text, e.role)]
        found = [e for e in found if e.clickable] or found
        if len(found) != 1:
            raise RecordingError(f"{self.script.id}, step {index}: {len(found)} elements for {target}")
        element = found[0]
        if element.enabled is False:
            raise RecordingError(f"{self.script.id}, step {index}: {target} is disabled")
        point = self._near_centre(index, element.bbox)
        x, y = self._pixels(point)
        hit = self._box_of_hit(page, x, y)
        if hit != element.bbox and (element.clickable or not inside(element.bbox, hit)):
            raise RecordingError(f"{self.script.id}, step {index}: something covers {target}")
        return Click(point=point, bbox=element.bbox)

    def _near_centre(self, index: int, box: Box) -> Point:
        """Return a point off the centre, like a hand's; the offset depends on nothing but the script and the step."""
        noise = hashlib.sha256(f"{self.script.id}/{index}".encode()).digest()
        x1, y1, x2, y2 = box
        dx, dy = ((noise[i] / 255 - 0.5) for i in (0, 1))
        return (round((x1 + x2) / 2 + 0.22 * dx * (x2 - x1), 6), round((y1 + y2) / 2 + 0.22 * dy * (y2 - y1), 6))

    def _pixels(self, point: Point) -> tuple[float, float]:
        return (point[0] * self.css[0], point[1] * self.css[1])

    def _box_of_hit(self, page: Page, x: float, y: float) -> Box:
        x1, y1, x2, y2 = page.evaluate(HIT, [x, y])
        return self._box([max(x1, 0), max(y1, 0), min(x2, self.css[0]), min(y2, self.css[1])])

    def _act(self, page: Page, action: Action) -> None:
        """Do in the browser what the action says."""
        match action:
            case Click(point=point) if point is not None:
                page.mouse.click(*self._pixels(point))
            case Type(text=text):
                if not page.evaluate("document.activeElement.matches('input[type=text], textarea')"):
                    raise RecordingError("typing without a focused field")
                page.keyboard.type(text)
            case Button(name="enter"):
                page.keyboard.press("Enter")
            case Button(name="back"):
                page.evaluate(BACK)
            case Scroll(point=point, dy=dy) if point is not None and dy is not None:
                self._scroll(page, point, dy)
            case _:
                pass  # answers and the end of the episode change nothing on the screen

    def _scroll(self, page: Page, point: Point, dy: float) -> None:
        before = page.evaluate(SCROLL_TOPS)
        page.mouse.move(*self._pixels(point))
        page.mouse.wheel(0, dy / self.scale)
        for _ in range(100):
            page.evaluate(SETTLE)
            moved = [b - a for a, b in zip(before, page.evaluate(SCROLL_TOPS), strict=True) if a != b]
            if moved == [dy / self.scale]:
                return
        raise RecordingError(f"asked to scroll by {dy / self.scale}, moved {moved}")


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
