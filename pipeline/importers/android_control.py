"""`android-control`: AndroidControl's TFRecord files, an episode a record, read without TensorFlow.

N actions and N + 1 screenshots: the last screen follows the last action. Points are pixels of the step's screenshot, x
first. `scroll` says a direction and nothing else: where the finger was and how far it went was not kept. It is the way
the content goes; because users keep finding it the wrong way round, `--scroll-means finger` reads it as the finger's.
Model families that only swipe between two points cannot say such a scroll; `--scrolls swipe` makes one through the
middle of the screen of it, which is marked as made up. `input_text` types only, `type` clicks, types and presses
Enter. Every episode was demonstrated to its end, but no action says so: `--finish add` (the default) appends one,
marked as well. Source: github.com/google-research/google-research, android_control/README.md, issue 2126;
github.com/bytedance/UI-TARS issue 75. Not tried on the real release.
"""

from collections.abc import Generator, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import (
    OPPOSITE,
    Action,
    Button,
    Click,
    Direction,
    Frame,
    LongPress,
    OpenApp,
    Point,
    Scroll,
    Swipe,
    Terminate,
    Type,
    Unknown,
    Wait,
)  # fmt: skip
from pipeline.records import Observation, Outcome, Step, StepText, Trajectory

from .a11y_forest import screen
from .album import Album
from .coordinates import point, px, screen_size
from .folder import SourceFolder, decode
from .importer import Episode, Option, origin, steps_of
from .refusal import Refusal, Refused, shortened
from .tfrecord import Feature, example, records

_SWIPES: dict[Direction, tuple[Point, Point]] = {
    "up": ((0.5, 0.7), (0.5, 0.3)),
    "down": ((0.5, 0.3), (0.5, 0.7)),
    "left": ((0.7, 0.5), (0.3, 0.5)),
    "right": ((0.3, 0.5), (0.7, 0.5)),
}
"""Start and end of a swipe that we make up: through the middle, clear of what reacts at the edges."""


class _Act(Struct):
    action_type: str
    x: float | None = None
    y: float | None = None
    direction: str | None = None
    app_name: str | None = None
    text: str | None = None


class _Splits(Struct):
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []


class _Recording(Struct, frozen=True):
    """An episode as its record has it."""

    episode: int
    goal: str
    acts: list[bytes]
    """JSON, one for each step."""
    instructions: list[str]
    """One for each step."""
    pictures: list[bytes]
    """One more than there are steps."""
    trees: list[bytes]
    """Of each screen the accessibility forest; none where the release left them out."""
    sizes: list[tuple[int, int]]
    """Width and height of each screen in pixels, as far as they were recorded."""


class AndroidControl:
    """The format `android-control`."""

    name = "android-control"
    meaning = "AndroidControl: GZIP TFRecord files, with accessibility trees"
    expects = "android_control-* or *.tfrecord files"
    kept = "actions, step instructions, the accessibility forest and what it proves, the screen at the end, splits"
    lost = "nothing that the release has; a scroll's start and distance were never recorded"
    tried_on = "files in the documented form; not on the real release"
    files = ("android_control-*", "*.tfrecord", "*.tfrecord.gz")
    options = (
        Option("finish", "append the missing `terminate` on the last screen, or not", ("add", "none"), "add"),
        Option("scrolls", "as recorded, or as a swipe whose ends are made up", ("recorded", "swipe"), "recorded"),
        Option("scroll_means", "what goes the way that `scroll` names", ("content", "finger"), "content"),
    )

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield an episode for each record."""
        splits = yield from _splits(source)
        for file in source.names(*self.files):
            number = 0
            try:
                with source.open(file) as opened:
                    for number, data in enumerate(records(opened), start=1):
                        try:
                            yield _episode(source, file, number, data, splits, options)
                        except Refused as refused:
                            yield refused.at("trajectory", file, f"record {number}")
            except Refused as refused:
                yield refused.at("trajectory", file, f"record {number + 1}")


def _splits(source: SourceFolder) -> Generator[Refusal, None, dict[int, str]]:
    """Yield why splits.json cannot be read, if so; return the split of each episode that it names."""
    splits: dict[int, str] = {}
    for name in source.names("splits.json", everything=True):
        try:
            found: _Splits = decode(source.read(name), _Splits)
        except Refused as refused:
            yield refused.at("trajectory", name)
            continue
        for split in ("train", "validation", "test"):
            splits |= dict.fromkeys(getattr(found, split), split)
    return splits


def _episode(
    source: SourceFolder, file: str, number: int, data: bytes, splits: Mapping[int, str], options: Mapping[str, str]
) -> Episode:
    found, album = _recording(data), Album(source, file)

    def make(index: int, act: bytes) -> Step:
        observation, frame = _observe(found, index, album)
        told = found.instructions[index].strip() or None
        return Step(
            index=index,
            observation=observation,
            actions=(_action(act, frame, options),),
            text=StepText(instruction=told),
            subgoal=told,  # one that takes several actions is repeated for each
        )

    places = (f"record {number}, action {index}" for index in range(len(found.acts)))
    steps, refusals = steps_of(file, zip(places, found.acts, strict=True), make)
    final, _ = _observe(found, len(found.acts), album) if not refusals else (None, None)
    if options["finish"] == "add" and final is not None:
        done = Terminate(status="success", synth=True)
        steps, final = (*steps, Step(index=len(steps), observation=final, actions=(done,))), None
    return Episode(
        file=file,
        record=f"record {number}",
        trajectory=Trajectory(
            schema="gdp.traj/1",
            trajectory_id=f"android-control-{found.episode}",
            goal=found.goal,
            lang="en",
            platform="android",
            steps=steps,
            final_observation=final,
            outcome=Outcome("unknown" if refusals else "success"),
            source=origin("android-control", str(found.episode), splits.get(found.episode)),
        ),
        album=album,
        refusals=refusals,
    )


def _recording(data: bytes) -> _Recording:
    """Return what a record holds; raises Refused for one without a goal, or whose lists do not go together."""
    features = example(data)
    (episode,) = _ints(features, "episode_id", 1)
    goal = _texts(features, "goal")
    if not goal or not goal[0].strip():
        raise Refused("no_goal", "no goal", "what was asked for")
    acts, pictures = _bytes(features, "actions"), _bytes(features, "screenshots")
    instructions, trees = _texts(features, "step_instructions"), _bytes(features, "accessibility_trees")
    if len(pictures) != len(acts) + 1 or len(instructions) != len(acts):
        found = f"{len(acts)} actions, {len(instructions)} instructions, {len(pictures)} screenshots"
        raise Refused("shape", found, "one instruction each, and one screenshot more")
    widths, heights = (_ints(features, f"screenshot_{name}", None) for name in ("widths", "heights"))
    return _Recording(episode, goal[0], acts, instructions, pictures, trees, list(zip(widths, heights, strict=False)))


def _observe(found: _Recording, index: int, album: Album) -> tuple[Observation, Frame]:
    """Return a screen with what its tree of views proves, if it has one, and the frame of its coordinates."""
    image = album.add(found.pictures[index])
    size = found.sizes[index] if index < len(found.sizes) else None
    frame = px(screen_size(size, (image.width, image.height)))
    if index >= len(found.trees) or not found.trees[index]:
        return Observation(image=image), frame
    seen = screen(found.trees[index], frame, album.notes)
    observation = Observation(
        image=image, elements=seen.elements, app=seen.app, keyboard=seen.keyboard, overlay=seen.overlay
    )
    return observation, frame


def _action(data: bytes, frame: Frame, options: Mapping[str, str]) -> Action:
    src = data.decode("utf-8", "replace")
    act: _Act = decode(data, _Act)
    action = _meaning(act, frame)
    if isinstance(action, Scroll) and action.direction is not None:
        action = _scroll(action.direction, options)
    return replace(action, src=src, frame=frame)


def _scroll(named: Direction, options: Mapping[str, str]) -> Scroll | Swipe:
    """Return the scroll as the user reads it."""
    finger = named if options["scroll_means"] == "finger" else OPPOSITE[named]
    if options["scrolls"] == "swipe":
        start, end = _SWIPES[finger]
        return Swipe(start=start, end=end, direction=finger, synth=True)
    return Swipe(direction=finger) if options["scroll_means"] == "finger" else Scroll(direction=named)


def _meaning(act: _Act, frame: Frame) -> Action:
    match act.action_type:
        case "click":
            return Click(point=point(frame, (act.x, act.y)))
        case "long_press":
            return LongPress(point=point(frame, (act.x, act.y)))
        case "scroll":
            if act.direction not in _SWIPES:
                raise Refused("shape", f"direction {shortened(act.direction)}", ", ".join(_SWIPES))
            return Scroll(direction=act.direction)
        case "open_app" if act.app_name:
            return OpenApp(name=act.app_name)
        case "input_text" if act.text is not None:
            return Type(text=act.text)
        case "type" if act.text is not None:
            return Type(text=act.text, point=point(frame, (act.x, act.y)), submit=True)
        case "navigate_home":
            return Button(name="home")
        case "navigate_back":
            return Button(name="back")
        case "wait":
            return Wait()
        case _:
            return Unknown()


def _feature(features: Mapping[str, Feature], name: str) -> Feature:
    if name not in features:
        raise Refused("shape", f"no feature {name}", "an episode of AndroidControl")
    return features[name]


def _bytes(features: Mapping[str, Feature], name: str) -> list[bytes]:
    values = features.get(name, []) if name == "accessibility_trees" else _feature(features, name)
    return [value for value in values if isinstance(value, bytes)]


def _texts(features: Mapping[str, Feature], name: str) -> list[str]:
    return [value.decode("utf-8", "replace") for value in _bytes(features, name)]


def _ints(features: Mapping[str, Feature], name: str, count: int | None) -> list[int]:
    values = features.get(name, []) if count is None else _feature(features, name)
    numbers = [value for value in values if isinstance(value, int)]
    if count is not None and len(numbers) != count:
        raise Refused("shape", f"{len(numbers)} numbers in {name}", str(count))
    return numbers
