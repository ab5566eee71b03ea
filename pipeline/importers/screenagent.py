"""`screenagent`: sessions of ScreenAgent, a folder each: `<time>_translate.json` and images/.

A session is planning, acting and judging by turns; a file is one reply. Only acting replies touch the screen: they
become steps. `LLM_response` is what the model wrote, `LLM_response_editer` what a person made of it before it was
carried out, `actions` that reply's actions. Where the two replies act differently, the model's becomes a step of its
own with the label `error` and execution `skipped` (it was never carried out, so the screen stays), and the person's
the `recovery`. A judging reply labels the action before it; its screenshot is the one after that action. `_neg_plan`
and `_neg_eval` files are derived from others to train planners and judges; they hold no action. Source:
github.com/niuzaisheng/ScreenAgent.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pipeline.actions import Action, Unknown, Wait
from pipeline.records import Execution, Goal, Label, Observation, Outcome, Response, Step, StepText, Trajectory

from .album import Album
from .coordinates import px, screen_size
from .folder import SourceFolder, decode
from .importer import Episode, Option, origin, steps_of
from .refusal import Refusal, Refused, shortened
from .screenagent_actions import actions_of

_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_SUBTASK = re.compile(r"子任务是\s*[“\"](.*?)[”\"]\s*。|subtask is [\"“](.*?)[\"”]\.", re.DOTALL)
_PLATFORM = re.compile(r"\b(Windows|Linux)\b")
_THOUGHT, _JUDGED = {"PlanAction"}, {"EvaluateSubTaskAction"}


class _Reply(Struct):
    task_prompt: str
    send_prompt: str
    video_width: int
    video_height: int
    saved_image_name: str
    actions: list[Any]
    session_id: str | None = None
    LLM_response: str | None = None
    LLM_response_editer: str | None = None
    LLM_response_editer_en: str | None = None
    LLM_response_editer_zh: str | None = None
    task_prompt_en: str | None = None
    task_prompt_zh: str | None = None
    send_prompt_en: str | None = None
    send_prompt_zh: str | None = None
    current_task: str | None = None


class _Move(Struct):
    """One acting reply, and the judging reply on it."""

    file: str
    reply: _Reply
    rejected: bool = False
    """The model's own reply, which was never carried out."""
    corrects: bool = False
    """The one before it is that reply."""
    verdict: _Reply | None = None


class ScreenAgent:
    """The format `screenagent`."""

    name = "screenagent"
    meaning = "ScreenAgent sessions: acting replies as steps, rejected ones as labelled errors, judgements as labels"
    expects = "a folder per session with *_translate.json files and images/"
    kept = "actions, the rejected reply beside the corrected one, sub-tasks, verdicts, the screen after the last action"
    lost = "planning and judging replies as samples of their own; rejected replies without a usable action"
    tried_on = "eight sessions of the release"
    files = ("*.json",)
    options = (
        Option(
            "lang", "language of goal, thoughts and sub-tasks: the original, or its translation", ("zh", "en"), "zh"
        ),
        Option(
            "rejected",
            "replies that a person replaced before they were carried out: keep as labelled errors, or drop (counted)",
            ("keep", "drop"),
            "drop",
        ),
    )

    def read(self, source: SourceFolder, options: Mapping[str, str]) -> Iterator[Episode | Refusal]:
        """Yield the tasks of each session."""
        for folder, files in groupby(source.names(*self.files), key=lambda name: str(PurePosixPath(name).parent)):
            how = _How("en" if options["lang"] == "en" else "zh", options["rejected"] == "keep")
            yield from _session(source, folder, list(files), how)


class _How(NamedTuple):
    """What the user decided."""

    lang: Literal["en", "zh"]
    rejected: bool


def _session(source: SourceFolder, folder: str, files: list[str], how: _How) -> Iterator[Episode | Refusal]:
    replies: list[tuple[str, _Reply]] = []
    derived = 0
    for file in files:
        if "_neg_" in PurePosixPath(file).name:
            derived += 1
            continue
        try:
            replies.append((file, decode(source.read(file), _Reply)))
        except Refused as refused:
            yield refused.at("trajectory", file)  # without it the session has a hole
            return
    tasks = [list(group) for _, group in groupby(replies, key=lambda item: item[1].task_prompt)]
    for number, task in enumerate(tasks, start=1):
        name = PurePosixPath(folder).name or "session"
        album = Album(source, folder, f"{folder}/images", folder)
        if derived and number == 1:
            album.notes["derived planning or judging reply"] += derived
        try:
            yield _episode(album, task, name if len(tasks) == 1 else f"{name}-task{number}", how)
        except Refused as refused:
            yield refused.at("trajectory", folder, f"task {shortened(task[0][1].task_prompt)}")


def _episode(album: Album, task: list[tuple[str, _Reply]], name: str, how: _How) -> Episode:
    lang = how.lang
    moves, plan, last = _moves(task)
    if not moves:
        raise Refused("no_steps", "only planning and judging replies", "at least one that acts")
    goal, other = _in(lang, task[0][1], "task_prompt"), _in("zh" if lang == "en" else "en", task[0][1], "task_prompt")
    if not goal:
        raise Refused("no_goal", f"no task in the language {lang}", "what was asked for")
    shown = [each for move in moves for each in _shown(move, album, keep=how.rejected)]
    steps, refusals = steps_of(
        task[0][0], ((move.file, move) for move in shown), lambda index, move: _step(index, move, album, lang)
    )
    final = None
    if not refusals and last is not None:
        final = Observation(image=_picture(last, album, "final screenshot"))
    success = not refusals and last is not None and plan and _subtask(moves[-1].reply, "zh") == plan[-1]
    done = bool(success and last is not None and _situation(last) == "sub_task_success")
    platform = _PLATFORM.search(task[0][1].send_prompt)
    return Episode(
        file=album.file,
        trajectory=Trajectory(
            schema="gdp.traj/1",
            trajectory_id=name,
            goal=goal,
            goals=(Goal("natural", other),) if other and other != goal else (),
            lang=lang,
            platform={"Windows": "windows", "Linux": "linux"}.get(platform[1]) if platform else None,  # type: ignore[arg-type]
            steps=steps,
            final_observation=final,
            outcome=Outcome("success", by="human") if done else Outcome("unknown"),
            source=origin("screenagent", task[0][1].session_id),
        ),
        album=album,
        refusals=refusals,
    )


def _moves(task: list[tuple[str, _Reply]]) -> tuple[list[_Move], list[str], _Reply | None]:
    """Return the acting replies, the elements of the latest plan, and the judging reply after the last action."""
    moves: list[_Move] = []
    plan: list[str] = []
    last = None
    for file, reply in task:
        kinds = {str(act.get("action_type")) for act in reply.actions if isinstance(act, dict)}
        if kinds & _THOUGHT:
            plan = [str(act.get("element")) for act in reply.actions if isinstance(act, dict)]
        elif kinds & _JUDGED:
            last = reply
            if moves and moves[-1].verdict is None:
                moves[-1].verdict = reply
        else:
            moves.append(_Move(file, reply))
            last = None
    return moves, plan, last


def _shown(move: _Move, album: Album, *, keep: bool) -> list[_Move]:
    """Return the move, and before it the reply that it replaced if that is kept."""
    both = _with_rejected(move, album)
    if keep or len(both) == 1:
        return both
    album.notes["rejected reply dropped"] += 1
    move.corrects = False
    return [move]


def _with_rejected(move: _Move, album: Album) -> list[_Move]:
    """Return the move, after the model's own reply if that acts differently."""
    written = move.reply.LLM_response
    if written is None or written == move.reply.LLM_response_editer:
        return [move]
    try:
        acts = [act for block in _FENCED.findall(written) for act in _listed(decode(block.encode()))]
        frame = px((move.reply.video_width, move.reply.video_height))
        actions = actions_of(acts, frame)
        if not actions or any(isinstance(action, Unknown) for action in actions):
            raise Refused("unsupported", "no usable action", "one")
        if _bare(actions) == _bare(actions_of(move.reply.actions, frame)):
            return [move]
    except Refused:
        album.notes["rejected reply without a usable action"] += 1
        return [move]
    move.corrects = True
    return [_Move(move.file, replace(move.reply, actions=acts), rejected=True), move]


def _step(index: int, move: _Move, album: Album, lang: Literal["en", "zh"]) -> Step:
    reply = move.reply
    image = _picture(reply, album, PurePosixPath(move.file).name)
    size = screen_size((reply.video_width, reply.video_height), (image.width, image.height))
    actions = actions_of(reply.actions, px(size))
    raw = (reply.LLM_response if move.rejected else reply.LLM_response_editer) or ""
    text = raw if move.rejected or lang == "zh" else _in(lang, reply, "LLM_response_editer")
    return Step(
        index=index,
        observation=Observation(image=image),
        actions=actions or (Wait(synth=True, src="[]"),),
        text=StepText(
            thought=_FENCED.split(text or "", maxsplit=1)[0].strip() or None,
            instruction=None if move.rejected else _subtask(reply, lang),
            reflection=None if move.verdict is None else _in(lang, move.verdict, "LLM_response_editer"),
        ),
        response=Response(raw=raw, format="screenagent") if raw else None,
        execution=Execution("skipped", error="a person replaced the reply before it was carried out")
        if move.rejected
        else None,
        label=_label(index, move),
        subgoal=_subtask(reply, lang),
    )


def _label(index: int, move: _Move) -> Label:
    if move.rejected:
        return Label(role="error", correct=False, by="human")
    correct = True if move.verdict is not None and _situation(move.verdict) == "sub_task_success" else None
    if move.corrects:
        return Label(role="recovery", correct=correct, by="human", corrects_step=index - 1)
    return Label(correct=correct, by="human" if correct else None)


def _picture(reply: _Reply, album: Album, record: str) -> Any:
    return album.find(reply.saved_image_name, record, recorded=(reply.video_width, reply.video_height))


def _situation(reply: _Reply) -> str | None:
    return next((str(act["situation"]) for act in reply.actions if isinstance(act, dict) and "situation" in act), None)


def _subtask(reply: _Reply, lang: str) -> str | None:
    found = _SUBTASK.search(_in(lang, reply, "send_prompt") or "")
    text = (found[1] or found[2]) if found else None
    return text or (reply.current_task if lang == "zh" else None)


def _in(lang: str, reply: _Reply, name: str) -> str | None:
    """Return a text in a language; what is not translated is the original, Chinese."""
    text: str | None = getattr(reply, f"{name}_{lang}", None)
    if text is None and lang == "zh":
        text = getattr(reply, name)
    return text.strip() or None if text else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _bare(actions: Sequence[Action]) -> list[Action]:
    return [replace(action, src=None, frame=None) for action in actions]
