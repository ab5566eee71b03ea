"""Drives an app of ours in Chromium: looks at it, aims, acts. The recorder and the proof in `tests/replay` use it."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from pipeline import actions
from pipeline.actions import Action, Box, Button, Click, Key, LongPress, Point, Scroll, Swipe, Type, Wait
from pipeline.records import Device, Element, Lang, Observation, Screenshot, ScrollState
from pipeline.screens.geometry import inside

from .scripts.script import Target

HERE = Path(__file__).resolve().parent
ELEMENTS = (HERE / "elements.js").read_text(encoding="utf-8").split("\n", 1)[1]
CLOCK = "2026-03-12T09:30:00Z"
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
BACK = """() => {
  if (App.takesBack && App.takesBack()) return undefined;
  return new Promise((done) => {
    addEventListener("popstate", done, { once: true });
    history.back();
  }).then(() => undefined);
}"""
HIT = """([x, y]) => {
  const hit = document.elementFromPoint(x, y);
  const clickable = hit && hit.closest("button, input, textarea, label[for], [data-act]");
  const own = (clickable || hit).getBoundingClientRect();
  return [own.left, own.top, own.right, own.bottom];
}"""
FOCUSED = "() => document.activeElement.matches('input[type=text], textarea')"
SCROLL_TOPS = """() => [...document.querySelectorAll("[data-scroll]")].map((el) => el.scrollTop)"""
WHEELED = """async () => {
  await new Promise((done) => addEventListener("wheel", done, { once: true, passive: true }));
  for (let i = 0; i < 3; i++) await new Promise((next) => requestAnimationFrame(next));
}"""
ELAPSE = """async (seconds) => {
  while (App.pending) await new Promise((done) => setTimeout(done, 5));
  if (App.elapse) App.elapse(seconds);
}"""
FACTS = (
    *("parent", "clickable", "enabled", "editable", "focused", "checked", "topmost"),
    *("wired", "long_clickable", "notifies"),
)
A_MOMENT = 1.0
"""Seconds that pass in the app after each action, for an app that has a clock."""
HELD = 0.8


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


class Driver:
    """A tab for apps on one device and in one language; `open` starts an app from its seed."""

    def __init__(self, browser: Browser, device: Device, lang: Lang) -> None:
        self.scale = int(device.scale or 1)
        self.size = (device.width or 1, device.height or 1)
        self.css = (self.size[0] // self.scale, self.size[1] // self.scale)
        self._context = browser.new_context(
            viewport={"width": self.css[0], "height": self.css[1]},
            device_scale_factor=self.scale,
            locale="zh-CN" if lang == "zh" else "en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        self.page = self._context.new_page()
        self.page.clock.set_fixed_time(CLOCK)
        self._cdp = self._context.new_cdp_session(self.page)

    def __enter__(self) -> "Driver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()

    def open(self, url: str) -> None:
        """Load the app anew: nothing is left of what was done before, as the apps store nothing."""
        self.page.goto(url)

    def picture(self) -> bytes:
        """Wait until nothing changes and return the screen as a PNG in device pixels; the apps draw no caret."""
        self.page.evaluate(SETTLE)
        if self.scale != 1:
            return self.page.screenshot(animations="disabled", caret="hide", scale="device")
        shot = self._cdp.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})  # the same, faster
        return base64.b64decode(shot["data"])

    def observe(self, name: str, png: bytes) -> Observation:
        """List what is visible; `png` is the screen's picture, to be stored as `name`."""
        seen = self.page.evaluate(ELEMENTS)
        image = Screenshot(name, *self.size, sha256=hashlib.sha256(png).hexdigest(), mime="image/png")
        told = seen["told"] or {}
        return Observation(
            image=image,
            elements=tuple(self._element(item) for item in seen["elements"]),
            app=seen["app"],
            activity=seen["activity"],
            url=seen["url"],
            keyboard=seen["keyboard"],
            overlay=seen["overlay"],
            settled=told.get("settled"),
            shortcuts=told.get("shortcuts"),
            touch_radius=told["touch_radius"] * self.scale if told else None,
            dynamic=tuple(self._box(box) for box in told["dynamic"]) if told else None,
        )

    def _element(self, item: dict[str, Any]) -> Element:
        scroll = item["scroll"] and ScrollState(
            **{
                k: v if v is None or isinstance(v, bool) else round(v * self.scale, 2)
                for k, v in item["scroll"].items()
            }
        )
        radius = item.get("radius")
        return Element(
            bbox=self._box(item["box"]),
            text=item["text"],
            role=item["role"],
            source="dom",
            scroll=scroll,
            radius=None if radius is None else round(radius * self.scale, 2),
            **{fact: item[fact] for fact in FACTS if fact in item},
        )

    def _box(self, box: list[float]) -> Box:
        x1, y1, x2, y2 = (round(value / self.css[i % 2], 6) for i, value in enumerate(box))
        return (x1, y1, x2, y2)

    def aim(self, target: Target, seen: Observation, noise: bytes) -> tuple[Point, Box]:
        """Return a point near the target's centre where nothing covers it, and its box; two bytes say how near."""
        found = [e for e in seen.elements if e.topmost and (e.text, target.role or e.role) == (target.text, e.role)]
        found = [e for e in found if e.clickable] or found
        if len(found) != 1:
            raise RecordingError(f"{len(found)} elements for {target}")
        element = found[0]
        if element.enabled is False:
            raise RecordingError(f"{target} is disabled")
        x1, y1, x2, y2 = element.bbox
        dx, dy = (part / 255 - 0.5 for part in noise[:2])
        point = (round((x1 + x2) / 2 + 0.22 * dx * (x2 - x1), 6), round((y1 + y2) / 2 + 0.22 * dy * (y2 - y1), 6))
        hit = self._box_of_hit(*self.pixels(point))
        if hit != element.bbox and (element.clickable or not inside(element.bbox, hit)):
            raise RecordingError(f"something covers {target}")
        return point, element.bbox

    def pixels(self, point: Point) -> tuple[float, float]:
        """Return the point in CSS pixels."""
        return (point[0] * self.css[0], point[1] * self.css[1])

    def _box_of_hit(self, x: float, y: float) -> Box:
        x1, y1, x2, y2 = self.page.evaluate(HIT, [x, y])
        return self._box([max(x1, 0), max(y1, 0), min(x2, self.css[0]), min(y2, self.css[1])])

    def has_focus(self) -> bool:
        """Tell whether what is typed now goes into a field."""
        return bool(self.page.evaluate(FOCUSED))

    def act(self, action: Action) -> None:
        """Do in the browser what the action says; answers and the end of the episode change nothing."""
        mouse = self.page.mouse
        match action:
            case Click(point=point) if point is not None:
                mouse.click(*self.pixels(point), click_count=action.count)
            case LongPress():
                mouse.move(*self.pixels(action.point))
                mouse.down()
                self.page.evaluate(ELAPSE, HELD)
                mouse.up()
            case Swipe(start=start, end=end) if start is not None and end is not None:
                mouse.move(*self.pixels(start))
                mouse.down()
                mouse.move(*self.pixels(end), steps=4)
                mouse.up()
            case Type(text=text):
                self.page.keyboard.type(text)
            case Key(keys=keys):
                self.page.keyboard.press("+".join(keys))
            case Button(name="enter"):
                self.page.keyboard.press("Enter")
            case Button(name="back") | actions.Browser(op="back"):
                self.page.evaluate(BACK)
            case Scroll():
                self._scroll(action)
            case Wait(seconds=seconds):
                self.page.evaluate(ELAPSE, seconds or A_MOMENT)
            case _:
                return
        self.page.evaluate(ELAPSE, A_MOMENT)

    def scroll_tops(self) -> list[float]:
        """Return how far each part of the page is scrolled, in CSS pixels."""
        tops: list[float] = self.page.evaluate(SCROLL_TOPS)
        return tops

    def _scroll(self, action: Scroll) -> None:
        """Turn the wheel and wait until the page has seen it and drawn what comes of it."""
        unit = (self.css[0], self.css[1]) if action.unit == "page" else (1 / self.scale, 1 / self.scale)
        self.page.mouse.move(*self.pixels(action.point or (0.5, 0.5)))
        self.page.evaluate("window.wheeled = (" + WHEELED + ")(), undefined")
        self.page.mouse.wheel(round((action.dx or 0) * unit[0], 3), round((action.dy or 0) * unit[1], 3))
        self.page.evaluate("window.wheeled")
