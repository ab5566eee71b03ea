"""Rollouts in which one value is something else: whatever stands there, what comes out is valid or refused."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import build
import msgspec
import pytest

from pipeline.importers import IMPORTERS, Refusal, SourceFolder
from pipeline.storage.place import Place
from pipeline.trajectories import Document, check

STRANGE = (None, True, -1, 1e308, "", "x", "../secret", "a\x00b", [], {}, [None], {"type": [], "role": "user"}, 10**30)

CALL = '<thinking>a</thinking><tool_call>{"name": "mobile_use", "arguments": {"action": "click", "coordinate": [9, 9]}}'


def _reply(content: str | None = CALL, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def _shown(number: int) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "Go"},
                                        {"type": "image_url", "image_url": {"url": f"{number}.png"}}]}  # fmt: skip


_LISTED = [{"function": {"name": "computer_use", "arguments": '{"action": "scroll", "pixels": 3}'}}]
_CLICK = {"type": "click", "params": {"position": {"x": 0.2, "y": 0.2}},
          "metadata": {"bboxes": [{"rel_bbox": [0.1, 0.1, 0.3, 0.3]}]}}  # fmt: skip
SOURCES: dict[str, tuple[str, Any]] = {
    "agentnet": ("t.jsonl", {
        "task_id": "t", "instruction": "Go", "task_completed": True, "alignment_score": 7, "traj": [
            {"index": 0, "image": "0.png", "value": {"code": "pyautogui.click(0.1, 0.2)", "last_step_correct": False}},
            {"index": 1, "image": "1.png", "value": {"code": "computer.terminate('success')", "thought": "a"}}]}),
    "agentnetbench": ("t.json", {
        "task_id": "t", "high_level_task_description": "Go", "steps": [
            {"step_num": 0, "image": "0.png", "ground_truth_actions": [_CLICK], "milestone": True,
             "alternative_options": [[_CLICK]], "inner_monologue": {"thought": "a"}},
            {"step_num": 1, "image": "1.png",
             "ground_truth_actions": [{"type": "scroll", "params": {"amount": -3}}]}]}),
    "mobileworld": ("traj.json", {"0": {"tools": [{"name": "a"}], "token_usage": {"total": 3}, "traj": [
        {"task_goal": "Go", "step": 1, "prediction": CALL, "action": {"action_type": "click", "x": 0, "y": 0},
         "ask_user_response": "a", "tool_call": {"a": 1}},
        {"task_goal": "Go", "step": 2, "prediction": None, "action": {"action_type": "scroll", "direction": "down"}},
        {"task_goal": "Go", "step": 3, "prediction": "", "action": {
            "action_type": "mcp", "action_name": "a", "action_json": {"b": 1}}}]}}),
    "osworld": ("traj.jsonl", [
        {"instruction": "Go", "initial_state": "0.png"},
        {"step_num": 1, "action_timestamp": "a", "action": "pyautogui.click(1, 2)", "response": "## Thought:\na",
         "screenshot_file": "1.png"},
        {"step_num": 2, "action": {"action_type": "CLICK", "parameters": {"x": 3, "y": 4}},
         "response": {"response": "a"}, "screenshot_file": "2.png"}]),
    "qwen-messages": ("t.jsonl", {"id": 1, "tools": [{}], "messages": [
        {"role": "system", "content": "a"}, _shown(0), _reply(), _shown(1), _reply(None, tool_calls=_LISTED),
        {"role": "tool", "name": "a", "content": "ok"}, _shown(2), _reply(reasoning_content="a")]}),
}  # fmt: skip


def _places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield above
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*above, key))


def _with(document: Any, place: tuple[str | int, ...], value: Any) -> Any:
    if not place:
        return value
    document = copy.deepcopy(document)
    target = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return document


def _outcome(name: str, root: Path) -> int:
    """Read the source as `gdp import` does; return how many steps are good."""
    options = {each.name: each.choices[0] if each.default is None else each.default for each in IMPORTERS[name].options}
    steps = 0
    for item in IMPORTERS[name].read(SourceFolder(Place(str(root))), options):
        if not isinstance(item, Refusal):
            loaded = check(Document("trajectory.json"), msgspec.json.encode(item.trajectory))
            steps += 0 if loaded.trajectory is None else len(loaded.trajectory.steps)
    return steps


@pytest.mark.parametrize("name", list(SOURCES))
def test_any_value_anywhere(tmp_path: Path, name: str) -> None:
    """Each value of the source in turn, replaced by each strange one: no other exception than a refusal."""
    file, document = SOURCES[name]
    (tmp_path / "screenshots").mkdir()
    for number in range(3):
        build.screen(number, 60, 40).save(tmp_path / f"{number}.png")
        build.screen(number, 60, 40).save(tmp_path / "screenshots" / f"t-0-{number + 1}.png")

    def write(value: Any) -> None:
        lines = value if isinstance(value, list) and file.endswith("l") else [value]
        (tmp_path / file).write_text("".join(json.dumps(each) + "\n" for each in lines))

    write(document)
    whole = _outcome(name, tmp_path)
    assert whole >= 2
    tried = 0
    for place in _places(document):
        for value in STRANGE:
            write(_with(document, place, value))
            assert 0 <= _outcome(name, tmp_path) <= whole + 1
            tried += 1
    assert tried > 200
