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

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Frame
from pipeline.records import Device, Observation, Screenshot, Step, Trajectory

from .album import Album
from .coordinates import Size, px, screen_size
from .droidbot_events import Event, action_of, is_reset, package_of
from .droidbot_views import View, elements_of, keyboard_of, overlay_of
from .folder import SourceFolder, decode
from .importer import Episode, origin, steps_of
from .refusal import Refusal, Refused, shortened


class _State(Struct):
    tag: str
    state_str: str
    width: int | None = None
    height: int | None = None
    foreground_activity: str | None = None
    views: list[View] = []


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
    kept = "events, intents too (as open_app or a tool call), the view tree and what it proves, the screen at the end"
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
    runs: list[list[tuple[str, _Log, Event]]] = [[]]
    resets = 0
    for file in files:
        try:
            log: _Log = decode(source.read(file), _Log)
            event: Event = decode(bytes(log.event), Event)
        except Refused as refused:
            yield refused.at("trajectory", file)  # without it the run has a hole
            break
        if is_reset(event):
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

    def frame(self, state: _State | None, image: Screenshot) -> Frame:
        """Return the pixels that boxes and events count in: the device's, of which the picture may be a scaled copy."""
        size = (image.width, image.height)
        recorded = (state.width, state.height) if state is not None and state.width and state.height else None
        return px(screen_size(recorded, size))

    def observation(self, state_str: str, tag: str, album: Album, record: str) -> Observation:
        """Return the screen of a state."""
        state = self.find(state_str, tag)
        image = self.screenshot(state, state_str, album, record)
        if state is None:
            return Observation(image=image)
        frame = self.frame(state, image)
        activity = state.foreground_activity or None
        app = activity.partition("/")[0] if activity else None
        elements = elements_of(state.views, frame, album.notes)
        return Observation(
            image=image,
            elements=elements,
            app=app,
            activity=activity,
            keyboard=keyboard_of(state.views, app),
            overlay=overlay_of(state.views, elements, app),
        )


def _run(states: _States, run: Sequence[tuple[str, _Log, Event]], name: str) -> Episode:
    album = Album(states.source, run[0][0], states.folder)

    def make(index: int, item: tuple[_Log, Event]) -> Step:
        log, event = item
        observation = states.observation(log.start_state, log.tag, album, f"event {log.tag}")
        frame = states.frame(states.find(log.start_state, log.tag), observation.image)
        action = replace(action_of(event, frame), src=bytes(log.event).decode(), frame=frame)
        return Step(index=index, observation=observation, actions=(action,))

    steps, refusals = steps_of(run[0][0], ((f"event {log.tag}", (log, event)) for _, log, event in run), make)
    last = run[-1][1]
    final = None
    if not refusals and last.stop_state is not None and states.find(last.stop_state, last.tag) is not None:
        final = states.observation(last.stop_state, "~", album, "final screenshot")
    package = next((found for _, _, event in run if (found := package_of(event))), None)
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
