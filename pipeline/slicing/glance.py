"""Look at a trajectory just enough to plan with it: its id, its goal, its pictures, its app; nothing is checked."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action
from pipeline.storage.place import Place
from pipeline.trajectories import NO_JSON, Document


class Glance(Struct, frozen=True):
    """What planning needs to know of a trajectory, without checking it."""

    document: Document
    trajectory_id: str | None
    goal: str | None
    images: tuple[str, ...]
    sha256: str
    app: str | None = None
    """The app of most steps; a web page's host stands for one."""
    actions: str | None = None
    """A hash of all actions, in order: of what they do, however they are written down."""


class _GlanceImage(Struct):
    path: str


class _GlanceObservation(Struct):
    image: _GlanceImage
    app: str | None = None
    url: str | None = None


class _GlanceStep(Struct):
    observation: _GlanceObservation
    actions: msgspec.Raw


class _GlanceTrajectory(Struct):
    trajectory_id: str
    goal: str
    steps: list[_GlanceStep]
    apps: list[str] = []
    final_observation: _GlanceObservation | None = None


def glance(source: Place, document: Document) -> Glance:
    """Read just enough of a trajectory to plan with it; of a broken one, whatever `load` might still use of it."""
    try:
        data = document.read(source)
    except OSError:
        return Glance(document, None, None, (), "unreadable")
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        seen = msgspec.json.decode(data, type=_GlanceTrajectory)
    except msgspec.ValidationError:
        return _squint(document, data, sha256)
    except NO_JSON:
        return Glance(document, None, None, (), sha256)
    observations = [step.observation for step in seen.steps]
    if seen.final_observation is not None:
        observations.append(seen.final_observation)
    return Glance(
        document=document,
        trajectory_id=seen.trajectory_id,
        goal=seen.goal,
        images=tuple(observation.image.path for observation in observations),
        sha256=sha256,
        app=main_app((o.app or host(o.url) for o in observations), seen.apps),
        actions=hashlib.sha256(b"\n".join(_done(step.actions) for step in seen.steps)).hexdigest(),
    )


def _done(actions: msgspec.Raw) -> bytes:
    """Return what a step's actions do, without the source's own words for them; broken ones as they are written."""
    try:
        read = msgspec.json.decode(actions, type=tuple[Action, ...])
    except NO_JSON:
        return bytes(actions)
    return msgspec.json.encode([replace(action, src=None, frame=None, synth=False) for action in read])


def _squint(document: Document, data: bytes, sha256: str) -> Glance:
    """Glance at JSON of another shape: steps before the broken one may be used, so their goal must join the split."""
    try:
        raw: Any = msgspec.json.decode(data)
    except NO_JSON:
        raw = None
    raw = raw if isinstance(raw, dict) else {}
    steps = raw.get("steps")
    observations = [_at(step, "observation") for step in (steps if isinstance(steps, list) else ())]
    paths = (_at(observation, "image", "path") for observation in observations)
    apps = (_text(_at(seen, "app")) or host(_text(_at(seen, "url"))) for seen in observations)
    name, goal = (_text(raw.get(key)) for key in ("trajectory_id", "goal"))
    images = tuple(path for path in paths if isinstance(path, str))
    return Glance(document, name, goal, images, sha256, app=main_app(apps))


def main_app(apps: Iterable[str | None], declared: Sequence[str] = ()) -> str | None:
    """Return the app of most steps, the earliest among equals; else the first that the trajectory declares."""
    counts = Counter(app for app in apps if app)
    return max(counts, key=lambda app: counts[app]) if counts else next(iter(declared), None)


def host(url: str | None) -> str | None:
    """Return the host of an address, None where it has none."""
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
