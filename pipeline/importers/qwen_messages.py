"""`qwen-messages`: logs of agents that answer with `<tool_call>`: OpenAI-style messages with their screenshots.

`*.jsonl` with `{messages: [...], images?: [...], id?, goal?, tools?}` a line, or `*.json` with one such record, a list
of them, or bare messages. Each reply is a step, with the one screenshot that came in before it; a reply of the user or
a tool instead of a screenshot leaves the screen as it was. Logs from which older screenshots were removed are no
trajectories: the steps without one are refused.

The numbers in `coordinate` mean what the model was trained on, which no log says: `--coordinates` does. Qwen3-VL and
MAI-UI: `grid-999`, whatever their prompt calls the screen (QwenLM/Qwen3-VL's cookbook divides by 999). Qwen2.5-VL:
pixels of the screenshot as its processor resized it: `resized-28`, or `pixels` if the log holds the resized picture.
Not tried on a real log.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, Answer, AskUser, CallTool, Frame, Memorize, Unknown, points
from pipeline.exceptions import ConfigError
from pipeline.layouts import GrammarError
from pipeline.records import Execution, Inbound, Observation, Response, Screenshot, Step, StepText, Trajectory
from pipeline.screens.geometry import smart_resize

from . import chat_messages, model_reply
from .album import Album
from .chat_messages import Message, Turn
from .coordinates import grid, px
from .folder import SourceFolder, convert, decode
from .importer import Episode, Option, origin, steps_of
from .model_reply import Call
from .pyautogui_actions import UnreadableError
from .refusal import Refusal, Refused, shortened
from .tool_actions import to_action

LIMITS = {"resized-28": (28, 4 * 28**2, 16384 * 28**2), "resized-32": (32, 65_536, 16384 * 32**2)}
"""Factor, least and most pixels of the processors of Qwen2.5-VL and Qwen3-VL."""
_LEAVE_THE_SCREEN = (AskUser, CallTool, Answer, Memorize)


class _Record(Struct):
    messages: list[Message]
    images: list[str] | None = None
    id: str | int | None = None
    trajectory_id: str | int | None = None
    goal: str | None = None
    tools: list[Any] | None = None


class QwenMessages:
    """The format `qwen-messages`."""

    name = "qwen-messages"
    meaning = "logs of Qwen-VL and MAI-UI agents: OpenAI-style messages, screenshots, <tool_call> replies"
    expects = "*.jsonl or *.json files with messages"
    kept = "replies verbatim, thoughts, all calls of a reply, replies of user and tools, the system prompt, tools"
    lost = "steps whose screenshot was removed from the log (refused); how the run ended, which messages do not say"
    tried_on = "files built for tests; not tried on a real log"
    files = ("*.jsonl", "*.json")
    options = (
        Option("coordinates", "what the numbers of a coordinate count",
               ("grid-999", "grid-1000", "pixels", "resized-28", "resized-32")),
        Option("processor_max_pixels", "with resized-…: max_pixels of the agent's processor, if it was set", (), ""),
    )  # fmt: skip

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield a trajectory for each conversation."""
        frames = _Frames(options["coordinates"], options["processor_max_pixels"])
        for file in source.names(*self.files):
            try:
                for place, record in _records(source, file):
                    try:
                        yield _episode(source, file, place, record(), frames)
                    except Refused as refused:
                        yield refused.at("trajectory", file, place)
            except Refused as refused:
                yield refused.at("trajectory", file)


class _Frames:
    """The frame of the coordinates in each screenshot."""

    def __init__(self, kind: str, max_pixels: str) -> None:
        self.kind = kind
        self.limits = LIMITS.get(kind)
        if not max_pixels:
            return
        number = int(max_pixels[:12]) if max_pixels.isascii() and max_pixels.isdigit() else 0
        if self.limits is None or number < self.limits[1]:
            message = f"found {max_pixels!r}, expected pixels, with --coordinates {' or '.join(LIMITS)}"
            raise ConfigError("--processor-max-pixels", message)
        self.limits = (self.limits[0], self.limits[1], number)

    def of(self, picture: Screenshot) -> Frame:
        if self.kind.startswith("grid-"):
            return grid(int(self.kind.removeprefix("grid-")))
        size = (picture.width, picture.height)
        if self.limits is None:
            return px(size)
        factor, least, most = self.limits
        try:
            size = smart_resize(*size, factor=factor, min_pixels=least, max_pixels=most)
        except ValueError as error:
            raise Refused("size_mismatch", str(error), "a screenshot that the processor takes") from None
        return Frame(kind="resized_px", size=size)


def _records(source: SourceFolder, file: str) -> Iterator[tuple[str | None, Any]]:
    """Yield the place of each conversation and what reads it; raises Refused where the file is none."""
    if file.endswith(".jsonl"):
        for number, line in source.lines(file):
            yield f"line {number}", lambda line=line: decode(line, _Record)
        return
    whole = decode(source.read(file))
    if isinstance(whole, list) and whole and all(isinstance(each, dict) and "role" in each for each in whole):
        whole = {"messages": whole}
    if not isinstance(whole, list):
        yield None, lambda: convert(whole, _Record)
        return
    if not whole:
        raise Refused("no_steps", "an empty list", "conversations")
    for number, each in enumerate(whole):
        yield f"[{number}]", lambda each=each: convert(each, _Record)


def _episode(source: SourceFolder, file: str, place: str | None, record: _Record, frames: _Frames) -> Episode:
    talk = chat_messages.read(record.messages, record.images)
    goal = record.goal or talk.goal
    if not goal:
        raise Refused("no_goal", "no user text before the first reply", "what was asked for")
    *replies, after = talk.turns
    folder = str(PurePosixPath(file).parent)
    album, notes = Album(source, file, folder, f"{folder}/images", anywhere=True), Counter[str]()
    make = _Maker(album, frames, notes)
    where = f"{place} " if place else ""
    steps, refusals = steps_of(file, ((f"{where}$.messages[{turn.number}]", turn) for turn in replies), make.step)
    final = None
    if len(after.images) == 1 and not refusals:
        final = Observation(make.picture(after.images[0], f"{where}the last screenshot"))
    if after.texts or after.results:
        notes["reply after the last action"] += len(after.texts) + len(after.results)
    own = record.trajectory_id if record.trajectory_id is not None else record.id
    name = str(PurePosixPath(file).with_suffix("")) + ("" if place is None else f"#{place.strip('[]').split()[-1]}")
    trajectory = Trajectory(
        schema="gdp.traj/1",
        trajectory_id=str(own) if own not in {None, ""} else name,
        goal=goal,
        steps=steps,
        final_observation=final,
        source=origin("messages", None if own is None else str(own)),
        tools=tuple(json.dumps(tool, ensure_ascii=False) for tool in record.tools or ()),
        extra=json.dumps({"system": talk.system}, ensure_ascii=False) if talk.system else None,
    )
    return Episode(file, trajectory, album, place, refusals, notes)


class _Maker:
    """Makes the steps of one conversation, in order."""

    def __init__(self, album: Album, frames: _Frames, notes: Counter[str]) -> None:
        self.album, self.frames, self.notes = album, frames, notes
        self.before: Step | None = None

    def step(self, index: int, turn: Turn) -> Step:
        assert turn.reply is not None
        picture = self._screen(turn)
        reply = turn.reply
        written = chat_messages.text_of(reply.content)
        read = model_reply.read(written)
        calls, broken = (read.calls, read.broken) if not reply.tool_calls else _listed(reply.tool_calls)
        frame = self.frames.of(picture)
        actions = [*(_action(call, frame) for call in calls), *(Unknown(src=_json(text)) for text in broken)]
        raw = written if not reply.tool_calls else _json({"content": reply.content, "tool_calls": reply.tool_calls})
        self.before = Step(
            index=index,
            observation=Observation(picture),
            actions=tuple(actions) or (Unknown(src=_json(written)),),
            text=StepText(thought=reply.reasoning_content or read.thought, instruction=read.instruction),
            inbound=self._inbound(turn),
            response=Response(raw, "openai" if reply.tool_calls else "tool_call") if raw else None,
            execution=None if calls else Execution("unparsed"),
        )
        return self.before

    def _screen(self, turn: Turn) -> Screenshot:
        """Return the one screenshot before a reply, or the last one where nothing has touched the screen since."""
        if len(turn.images) > 1:
            raise Refused("unsupported", f"{len(turn.images)} screenshots before one reply", "one")
        if turn.images:
            return self.picture(turn.images[0], f"$.messages[{turn.number}]")
        if self.before is not None and all(isinstance(each, _LEAVE_THE_SCREEN) for each in self.before.actions):
            return self.before.observation.image
        raise Refused(
            "image_missing", "no screenshot since the reply before", "one; this log has lost older screenshots"
        )

    def picture(self, named: str, place: str) -> Screenshot:
        """Take a picture by path or data URL; raises Refused."""
        if not named.startswith("data:"):
            if "://" in named:
                raise Refused(
                    "unsupported", f"the address {shortened(named)}", "a path below the source folder, or data"
                )
            return self.album.find(named, place)
        head, _, packed = named.partition(",")
        if not head.endswith(";base64"):
            raise Refused("image_broken", f"data of the kind {shortened(head)}", "base64")
        try:
            return self.album.add(base64.b64decode(packed, validate=True))
        except (binascii.Error, ValueError):
            raise Refused("image_broken", "broken base64", "a picture") from None

    def _inbound(self, turn: Turn) -> tuple[Inbound, ...]:
        before = self.before.actions if self.before is not None else ()
        tools = [action.name for action in before if isinstance(action, CallTool)]
        asked = any(isinstance(action, AskUser) for action in before)
        results = [Inbound("tool_response", text, name or (tools[0] if len(tools) == 1 else None))
                   for text, name in turn.results]  # fmt: skip
        return (*results, *(Inbound("user_reply" if asked else "user_message", text) for text in turn.texts))


def _listed(tool_calls: list[dict[str, Any]]) -> tuple[tuple[Call, ...], tuple[str, ...]]:
    """Return the calls of the field `tool_calls`, and those that cannot be read."""
    calls, broken = [], []
    for each in tool_calls:
        text = _json(each.get("function", each))
        try:
            calls.append(model_reply.call(text))
        except GrammarError:
            broken.append(text)
    return tuple(calls), tuple(broken)


def _action(call: Call, frame: Frame) -> Action:
    text = call.text.strip()
    src = text if text.startswith("{") else _json(text)
    try:
        action = to_action(call, frame)
    except UnreadableError:
        return Unknown(src=src)
    return replace(action, src=src, frame=frame if points(action) else None)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
