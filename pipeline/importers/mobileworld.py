"""`mobileworld`: rollouts of MobileWorld (MAI-UI's benchmark), a folder per task with `traj.json`.

`{"0": {tools, traj: [{task_goal, step (from 1), prediction, action, ask_user_response, tool_call}], token_usage}}`,
`screenshots/<task>-0-<step>.png` taken before the action, `result.txt` with `score: …` and `reason: …`. A step's
`ask_user_response` and `tool_call` are what had come back when it began (`trajectory_logger.py` logs the observation
that the agent was given). A rerun renames the folder to `<task>_backup_<time>`.

`prediction` is what the model wrote (grid 0..999), `action` what was executed (whole pixels). The prediction is taken,
being exact, if both mean the same; else what was executed, since that is what led to the next screen. Not tried on a
real rollout.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import OPPOSITE, Action, CallTool, Drag, Scroll, Swipe, Unknown, points
from pipeline.records import (
    Execution,
    Inbound,
    Observation,
    Outcome,
    Response,
    Screenshot,
    Step,
    StepText,
    Trajectory,
)

from . import json_action, model_reply
from .album import Album
from .coordinates import grid, px
from .folder import SourceFolder, convert, decode
from .importer import Episode, numbered, origin, steps_of
from .model_reply import Call, ModelReply
from .pyautogui_actions import UnreadableError
from .refusal import Refusal, Refused
from .tool_actions import to_action

GRID = grid(999)
SLACK = 1.5
"""Pixels by which the executed point may differ: the benchmark rounds down."""
DISAGREE = "prediction and executed action differ: the executed one taken"
NOT_READ = "prediction not understood: the executed action taken"


class _Step(Struct):
    step: int
    prediction: str | None
    action: dict[str, Any]
    task_goal: str | None = None
    ask_user_response: str | None = None
    tool_call: Any = None


class _Run(Struct):
    traj: list[_Step]
    tools: list[Any] | None = None
    token_usage: Any = None


class MobileWorld:
    """The format `mobileworld`."""

    name = "mobileworld"
    meaning = "MobileWorld / MAI-UI rollouts (traj.json, screenshots/, result.txt per task)"
    expects = "folders with traj.json"
    kept = "the model's replies verbatim, actions, replies of user and tools, tools, score and reason, token usage"
    lost = (
        "backups of earlier runs (refused); a further call in one reply, which the benchmark does not execute (counted)"
    )
    tried_on = "files built for tests; not tried on a real rollout"
    files = ("traj.json",)
    options = ()

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield a trajectory for each run of each file."""
        for file in source.names(*self.files):
            try:
                yield from _episodes(source, file)
            except Refused as refused:
                yield refused.at("trajectory", file)


def _episodes(source: SourceFolder, file: str) -> Iterator[Episode | Refusal]:
    folder = PurePosixPath(file).parent
    if "_backup_" in str(folder):
        raise Refused("superseded", f"a backup folder {folder.name!r}", "the run that replaced it")
    runs: dict[str, Any] = decode(source.read(file), dict[str, Any])
    runs.pop("token_usage", None)  # of the whole file; each run has its own
    if not runs:
        raise Refused("no_steps", "no run", "at least one")
    for key, run in runs.items():
        try:
            yield _episode(source, file, key, convert(run, _Run))
        except Refused as refused:
            yield refused.at("trajectory", file, f"$.{key}")


def _episode(source: SourceFolder, file: str, key: str, run: _Run) -> Episode:
    goal = next((step.task_goal for step in run.traj if step.task_goal), None)
    if not run.traj or not goal:
        raise Refused("no_goal" if run.traj else "no_steps", "none", "a task with its goal and steps")
    folder = PurePosixPath(file).parent
    album, notes = Album(source, file, str(folder)), Counter[str]()
    names = _screenshots(source, str(folder), key)
    made: list[Step] = []

    def make(index: int, record: tuple[_Step, Refused | None]) -> Step:
        step, wrong = record
        if wrong is not None:
            raise wrong
        place = f"$.{key}.traj step {step.step}"
        picture = album.find(names.get(step.step, f"screenshots/{folder.name}-{key}-{step.step}.png"), place)
        made.append(_step(index, step, picture, made[-1].actions if made else (), notes))
        return made[-1]

    ordered = numbered(run.traj, lambda step: step.step, first=1)
    records = ((f"$.{key}.traj step {step.step}", (step, wrong)) for step, wrong in ordered)
    steps, refusals = steps_of(file, records, make)
    name = str(folder) if str(folder) != "." else PurePosixPath(source.shown).name
    trajectory = Trajectory(
        schema="gdp.traj/1",
        trajectory_id=name if key == "0" else f"{name}#{key}",
        goal=goal,
        steps=steps,
        platform="android",
        outcome=_outcome(source, str(folder)),
        source=origin("MobileWorld", folder.name or name),
        tools=tuple(json.dumps(tool, ensure_ascii=False) for tool in run.tools or ()),
        extra=None if run.token_usage is None else json.dumps({"token_usage": run.token_usage}),
    )
    return Episode(file, trajectory, album, f"$.{key}", refusals, notes)


def _screenshots(source: SourceFolder, folder: str, key: str) -> dict[int, str]:
    """Return the screenshots of a run by step number: `screenshots/<task>-<run>-<step>.png`, whatever the task."""
    found: dict[int, str] = {}
    for name in source.place.names(str(PurePosixPath(folder, "screenshots"))):
        task, _, rest = name.removesuffix(".png").rpartition(f"-{key}-")
        if name.endswith(".png") and task and rest.isascii() and rest.isdigit() and not name.startswith("."):
            number = int(rest[:9])
            if number in found:
                raise Refused("image_missing", f"two screenshots of step {number}", "one")
            found[number] = f"screenshots/{name}"
    return found


def _step(index: int, step: _Step, picture: Screenshot, before: tuple[Action, ...], notes: Counter[str]) -> Step:
    size = (picture.width, picture.height)
    reply = model_reply.read(step.prediction or "")
    predicted = _predicted(reply)
    executed = _executed(step.action, size, tolerant=predicted is not None)
    status: Execution | None = None
    if predicted is None:
        if executed is None:
            status = Execution("unparsed", error=_error(step.action))
            executed = Unknown(src=json.dumps(step.action, ensure_ascii=False))
        else:
            notes[NOT_READ] += 1
        action = executed
    elif executed is None:  # understood by us, not by the benchmark: the system button `menu`
        action, status = predicted, Execution("failed", error=_error(step.action))
    elif _same(predicted, executed, size):
        action = predicted
    else:
        notes[DISAGREE] += 1
        action = executed
    if len(reply.calls) > 1:
        notes["further call in a reply"] += len(reply.calls) - 1
    return Step(
        index=index,
        observation=Observation(picture),
        actions=(action,),
        text=StepText(thought=reply.thought, instruction=reply.instruction),
        inbound=_inbound(step, before),
        response=Response(step.prediction, "tool_call") if step.prediction else None,
        execution=status,
    )


def _inbound(step: _Step, before: tuple[Action, ...]) -> tuple[Inbound, ...]:
    """Return what had come back; of a result that is no text, what Python writes, for that is what the agent showed."""
    replies = []
    if step.tool_call is not None:
        tool = next((action.name for action in before if isinstance(action, CallTool)), None)
        text = step.tool_call if isinstance(step.tool_call, str) else str(step.tool_call)
        replies.append(Inbound("tool_response", text, tool))
    if step.ask_user_response is not None:
        replies.append(Inbound("user_reply", step.ask_user_response))
    return tuple(replies)


def _predicted(reply: ModelReply) -> Action | None:
    """Return what the first call says, which is the one that the benchmark executes; None where that is unreadable."""
    if not reply.calls:
        return None
    call = reply.calls[0]
    try:
        action = to_action(call, GRID)
    except (UnreadableError, Refused):
        return None
    return replace(action, src=_source(call), frame=GRID if points(action) else None)


def _source(call: Call) -> str:
    text = call.text.strip()
    return text if text.startswith("{") else json.dumps(text, ensure_ascii=False)


def _executed(record: dict[str, Any], size: tuple[int, int], *, tolerant: bool) -> Action | None:
    """Return what was executed, None where it has no known meaning; raises Refused for a point off the screen."""
    frame = px(size)
    try:
        action = json_action.to_action(record, frame, json_action.MOBILE_WORLD)
    except UnreadableError:
        return None
    except Refused:
        if tolerant:
            return None
        raise
    return replace(action, src=json.dumps(record, ensure_ascii=False), frame=frame if points(action) else None)


def _same(predicted: Action, executed: Action, size: tuple[int, int]) -> bool:
    """Tell whether the model's action is what was executed, up to rounding to pixels."""
    (kind, *first), (other, *second) = _essence(predicted), _essence(executed)
    mine, theirs = first.pop(), second.pop()
    return (kind, first) == (other, second) and len(mine) == len(theirs) and all(
        math.dist((a[0] * size[0], a[1] * size[1]), (b[0] * size[0], b[1] * size[1])) <= SLACK * math.sqrt(2)
        for a, b in zip(mine, theirs, strict=True)
    )  # fmt: skip


def _essence(action: Action) -> list[Any]:
    """Return what an action does: a kind, its values, its points; scroll and the finger's swipe are one movement."""
    match action:
        case Swipe(direction=finger, start=start, end=None) if finger is not None:
            return ["scroll", OPPOSITE[finger], [start] if start else []]
        case Scroll(direction=content, point=at):
            return ["scroll", content, [at] if at else []]
        case Swipe(start=start, end=end) if start is not None and end is not None:
            return ["drag", [start, end]]
        case Drag(path=path):
            return ["drag", list(path)]
        case _:
            fields = {name: getattr(action, name) for name in action.__struct_fields__}
            plain = {name: value for name, value in fields.items() if name not in _APART}
            if plain.get("arguments"):
                plain["arguments"] = json.loads(plain["arguments"])
            return [type(action).__name__, plain, list(points(action))]


def _error(record: dict[str, Any]) -> str | None:
    text = record.get("text")
    return text if record.get("action_type") == "unknown" and isinstance(text, str) else None


def _outcome(source: SourceFolder, folder: str) -> Outcome:
    """Return what `result.txt` says; a run that was not finished has none."""
    name = str(PurePosixPath(folder, "result.txt"))
    if not source.has(name):
        return Outcome("unknown")
    text = source.read(name, ceiling=1 << 20).decode(errors="replace")
    score, _, rest = text.removeprefix("score:").partition("\n")
    try:
        reward = float(score)
    except ValueError:
        return Outcome("unknown", reason=text.strip()[:1000] or None)
    if not math.isfinite(reward):
        return Outcome("unknown")
    status = "success" if reward >= 1 else "failure" if reward <= 0 else "unknown"
    reason = rest.strip().removeprefix("reason:").strip() or None
    return Outcome(status, by="env", reward=reward, reason=reason)  # type: ignore[arg-type]  # one of the three above


_APART = frozenset({"src", "frame", "synth", "point", "bbox", "path", "start", "end", "duration", "seconds"})
