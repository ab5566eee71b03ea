"""`droidbot`: the output folder of a DroidBot run: events/event_<tag>.json, states/state_<tag>.json and screen_<tag>.

An event names the state before and after it by a hash of the screen's content; a state is stored once, with its view
tree and screenshot, so several events share one. Where DroidBot itself stops the app (`kill_app`, `am force-stop`), to
begin or because it is stuck, a trajectory ends and the next one begins: that is no action of an agent. A touch without
coordinates goes to the middle of its view. `scroll` names the way the content goes (DOWN drags the finger up). Nobody
gave the app a goal: ours says that it is explored, and is counted. Source: github.com/honeynet/droidbot
(droidbot/input_event.py, device_state.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import (
    Action,
    Box,
    Button,
    CallTool,
    Click,
    Direction,
    Frame,
    Key,
    LongPress,
    OpenApp,
    Point,
    Scroll,
    Swipe,
    Type,
    Unknown,
)  # fmt: skip
from pipeline.records import Device, Element, Observation, Screenshot, Step, Trajectory

from .album import Album
from .coordinates import Size, corners, point, px, screen_size
from .folder import SourceFolder, decode
from .importer import Episode, origin, steps_of, verbatim
from .keys import key_name
from .refusal import Refusal, Refused, shortened

_BUTTONS: dict[str, Action] = {
    "BACK": Button(name="back"),
    "HOME": Button(name="home"),
    "MENU": Button(name="menu"),
    "ENTER": Button(name="enter"),
    "APP_SWITCH": Button(name="recent"),
    "POWER": Button(name="power"),
    "VOLUME_UP": Button(name="volume_up"),
    "VOLUME_DOWN": Button(name="volume_down"),
}
_WAYS: dict[str | None, Direction] = {"UP": "up", "DOWN": "down", "LEFT": "left", "RIGHT": "right"}


class _View(Struct):
    bounds: list[list[int]] | None = None
    text: str | None = None
    content_description: str | None = None
    class_name: str | None = msgspec.field(default=None, name="class")
    temp_id: int | None = None
    parent: int | None = None
    visible: bool | None = None
    clickable: bool | None = None
    long_clickable: bool | None = None
    enabled: bool | None = None
    editable: bool | None = None
    focused: bool | None = None
    checkable: bool | None = None
    checked: bool | None = None


class _State(Struct):
    tag: str
    state_str: str
    width: int | None = None
    height: int | None = None
    foreground_activity: str | None = None
    views: list[_View] = []


class _Event(Struct):
    event_type: str
    x: float | None = None
    y: float | None = None
    view: _View | None = None
    start_x: float | None = None
    start_y: float | None = None
    start_view: _View | None = None
    end_x: float | None = None
    end_y: float | None = None
    end_view: _View | None = None
    duration: float | None = None
    direction: str | None = None
    text: str | None = None
    name: str | None = None
    intent: str | None = None


class _Log(Struct):
    tag: str
    event: msgspec.Raw
    start_state: str
    stop_state: str | None = None


class DroidBot:
    """The format `droidbot`."""

    name = "droidbot"
    meaning = "DroidBot runs: events and states, the view tree as elements"
    expects = "a folder with events/event_*.json and states/state_*.json beside their screenshots"
    kept = "events, also intents (as open_app, or as a tool call), the view tree, the screen after the last event"
    lost = "a goal, which no run has; the resets, which are where trajectories end; logs"
    tried_on = "one published run (46 events)"
    files = ("event_*.json",)
    options = ()

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield the runs of each output folder."""
        folders: dict[str, list[str]] = {}
        for file in source.names(*self.files):
            folders.setdefault(str(PurePosixPath(file).parent.parent), []).append(file)
        for folder, files in folders.items():
            yield from _folder(source, folder, files)


def _folder(source: SourceFolder, folder: str, files: list[str]) -> Iterator[Episode | Refusal]:
    runs: list[list[tuple[str, _Log, _Event]]] = [[]]
    resets = 0
    for file in files:
        try:
            log: _Log = decode(source.read(file), _Log)
            event: _Event = decode(bytes(log.event), _Event)
        except Refused as refused:
            yield refused.at("trajectory", file)  # without it the run has a hole
            break
        if _is_reset(event):
            runs.append([])
            resets += 1
        else:
            runs[-1].append((file, log, event))
    runs = [run for run in runs if run]
    if not runs:
        return
    states = _States(source, folder)
    yield from states.refusals
    for number, run in enumerate(runs, start=1):
        name = PurePosixPath(folder).name or "droidbot"
        episode = _run(states, run, name if len(runs) == 1 else f"{name}-{number}")
        if number == 1 and resets:
            episode.notes["reset by DroidBot"] += resets
        yield episode


def _is_reset(event: _Event) -> bool:
    return event.event_type == "kill_app" or (event.intent or "").startswith("am force-stop ")


class _States:
    """The stored states of an output folder, by their hash."""

    def __init__(self, source: SourceFolder, folder: str) -> None:
        self.source = source
        self.folder = f"{folder}/states"
        self.refusals: list[Refusal] = []
        self._states: dict[str, list[_State]] = {}
        for name in source.names("state_*.json", everything=True):
            if str(PurePosixPath(name).parent) == str(PurePosixPath(self.folder)):
                try:
                    state: _State = decode(source.read(name), _State)
                except Refused as refused:
                    self.refusals.append(refused.at("screenshot", name))
                else:
                    self._states.setdefault(state.state_str, []).append(state)

    @property
    def size(self) -> Size | None:
        """The screen's size, as the states say it."""
        for states in self._states.values():
            for state in states:
                if state.width and state.height and min(state.width, state.height) > 0:
                    return (state.width, state.height)
        return None

    def find(self, state_str: str, tag: str) -> _State | None:
        """Return the state that was stored last before an event; they are equal but for what its hash leaves out."""
        states = self._states.get(state_str)
        if not states:
            return None
        before = [state for state in states if state.tag <= tag]
        return before[-1] if before else states[0]

    def screenshot(self, state: _State | None, state_str: str, album: Album, record: str) -> Screenshot:
        """Return the state's picture, which has its tag in the name."""
        if state is None:
            missing = Refused("image_missing", f"no state {shortened(state_str)}", "one that is stored")
            return album.without(missing, record, self.size)
        stem = f"screen_{state.tag}"
        name = next((f"{stem}.{end}" for end in ("jpg", "png") if self.source.has(f"{self.folder}/{stem}.{end}")),
                        f"{stem}.png")  # fmt: skip
        return album.find(name, record, recorded=self.size)

    def observation(self, state_str: str, tag: str, album: Album, record: str) -> Observation:
        """Return the screen of a state."""
        state = self.find(state_str, tag)
        image = self.screenshot(state, state_str, album, record)
        if state is None:
            return Observation(image=image)
        recorded = (state.width, state.height) if state.width and state.height else None
        frame = px(screen_size(recorded, (image.width, image.height)))
        activity = state.foreground_activity or None
        app = activity.partition("/")[0] if activity else None
        return Observation(image=image, elements=_elements(state.views, frame, album), app=app, activity=activity)


def _run(states: _States, run: Sequence[tuple[str, _Log, _Event]], name: str) -> Episode:
    album = Album(states.source, run[0][0], states.folder)

    def make(index: int, item: tuple[_Log, _Event]) -> Step:
        log, event = item
        observation = states.observation(log.start_state, log.tag, album, f"event {log.tag}")
        frame = px((observation.image.width, observation.image.height))
        action = replace(_action(event, frame), src=bytes(log.event).decode(), frame=frame)
        return Step(index=index, observation=observation, actions=(action,))

    steps, refusals = steps_of(run[0][0], ((f"event {log.tag}", (log, event)) for _, log, event in run), make)
    last = run[-1][1]
    final = None
    if not refusals and last.stop_state is not None and states.find(last.stop_state, last.tag) is not None:
        final = states.observation(last.stop_state, "~", album, "final screenshot")
    package = next((found for _, _, event in run if (found := _package(event))), None)
    size = states.size
    album.notes["synthesised goal"] += 1
    return Episode(
        file=run[0][0],
        trajectory=Trajectory(
            schema="gdp.traj/1",
            trajectory_id=name,
            goal=f"Explore the app {package}" if package else "Explore the app",
            lang="en",
            platform="android",
            device=Device(width=size[0], height=size[1]) if size else None,
            apps=(package,) if package else (),
            steps=steps,
            final_observation=final,
            source=origin("droidbot", run[0][1].tag),
        ),
        album=album,
        refusals=refusals,
    )


def _action(event: _Event, frame: Frame) -> Action:
    match event.event_type:
        case "touch":
            return Click(point=_target(event.x, event.y, event.view, frame), bbox=_box(event.view, frame))
        case "long_touch":
            held = None if event.duration is None or event.duration < 0 else event.duration / 1000
            return LongPress(point=_target(event.x, event.y, event.view, frame), duration=held)
        case "swipe":
            start = _target(event.start_x, event.start_y, event.start_view, frame)
            return Swipe(start=start, end=_target(event.end_x, event.end_y, event.end_view, frame))
        case "scroll":
            at = None
            if event.view is not None or (event.x and event.y):
                at = _target(event.x, event.y, event.view, frame)
            return Scroll(point=at, direction=_WAYS.get(event.direction))
        case "set_text" if event.text is not None:
            at = _target(event.x, event.y, event.view, frame)
            return Type(text=event.text, point=at, bbox=_box(event.view, frame))
        case "key" if event.name:
            return _BUTTONS.get(event.name.upper()) or Key(keys=(key_name(event.name),))
        case "intent" if event.intent and event.intent.startswith("am start ") and (package := _package(event)):
            return OpenApp(name=package)
        case "intent" if event.intent:
            return CallTool(name="adb_shell", arguments=verbatim({"command": event.intent}))
        case _:
            return Unknown()


def _package(event: _Event) -> str | None:
    """Return the package that an intent names: the last word, before the activity."""
    words = (event.intent or "").split()
    return words[-1].partition("/")[0] or None if words else None


def _target(x: float | None, y: float | None, view: _View | None, frame: Frame) -> Point:
    """Return where DroidBot touches: the coordinates, unless one is missing or 0; else the middle of the view."""
    if x and y:
        return point(frame, (x, y))
    if view is None or view.bounds is None:
        raise Refused("coordinate", f"x {x}, y {y} and no view", "a place")
    (left, top), (right, bottom) = _pairs(view.bounds)
    return point(frame, ((left + right) / 2, (top + bottom) / 2))


def _pairs(bounds: list[list[int]]) -> Any:
    if len(bounds) != 2 or any(len(pair) != 2 for pair in bounds):
        raise Refused("coordinate", shortened(bounds), "[[left, top], [right, bottom]]")
    return bounds


def _box(view: _View | None, frame: Frame) -> Box | None:
    if view is None or view.bounds is None:
        return None
    (left, top), (right, bottom) = _pairs(view.bounds)
    return corners(frame, (left, top, right, bottom))


def _elements(views: Sequence[_View], frame: Frame, album: Album) -> tuple[Element, ...]:
    """Return the views that are on the screen; a parent that is not is left out of the chain."""
    parents = {view.temp_id: view.parent for view in views}
    kept: dict[int | None, int] = {}
    elements: list[Element] = []
    for view in views:
        box = _box(view, frame)
        if view.visible is False:
            continue
        if box is None or box[0] == box[2] or box[1] == box[3]:
            album.notes["view outside the screen"] += 1
            continue
        kept[view.temp_id] = len(elements)
        elements.append(_element(view, box, _ancestor(view, parents, kept)))
    return tuple(elements)


def _ancestor(view: _View, parents: Mapping[int | None, int | None], kept: Mapping[int | None, int]) -> int | None:
    parent, seen = view.parent, set()
    while parent is not None and parent not in kept and parent not in seen:
        seen.add(parent)
        parent = parents.get(parent)
    return kept.get(parent) if parent is not None else None


def _element(view: _View, box: Box, parent: int | None) -> Element:
    return Element(
        bbox=box,
        text=view.text or view.content_description or None,
        role=(view.class_name or "").rpartition(".")[2] or None,
        source="a11y",
        parent=parent,
        clickable=view.clickable,
        long_clickable=view.long_clickable,
        enabled=view.enabled,
        editable=view.editable,
        focused=view.focused,
        checked=view.checked if view.checkable else None,
    )
