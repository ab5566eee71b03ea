"""`gdp import qwen-messages`, on logs of agents as they are commonly kept."""

import base64
import json
from pathlib import Path
from typing import Any

import build
import pytest
from click.testing import CliRunner
from importing import imported, report, rows, trajectories

from pipeline.actions import AskUser, CallTool, Click, Frame, Scroll, Swipe, Terminate, Type, Unknown
from pipeline.cli import main
from pipeline.records import Inbound, Trajectory
from pipeline.screens.geometry import smart_resize

W, H = 360, 800


def said(
    *arguments: dict[str, Any], name: str = "mobile_use", before: str = "<thinking>\nSo.\n</thinking>\n"
) -> dict[str, Any]:
    """Return a reply with calls."""
    calls = "\n".join(
        f"<tool_call>\n{json.dumps({'name': name, 'arguments': each}, ensure_ascii=False)}\n</tool_call>"
        for each in arguments
    )
    return {"role": "assistant", "content": before + calls}


def shown(number: int | str, *texts: str) -> dict[str, Any]:
    """Return a user message with texts and a screenshot."""
    image = {"type": "image_url", "image_url": {"url": f"shots/{number}.png" if isinstance(number, int) else number}}
    return {"role": "user", "content": [*({"type": "text", "text": text} for text in texts), image]}


def user(text: str) -> dict[str, Any]:
    """Return a user message."""
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def tap(x: float, y: float) -> dict[str, Any]:
    """Return the arguments of a click."""
    return {"action": "click", "coordinate": [x, y]}


END = {"action": "terminate", "status": "success"}
SYSTEM = {"role": "system", "content": "You operate a phone."}


def log(root: Path, *records: Any, n_pictures: int = 5, name: str = "run.jsonl") -> Path:
    """Write a log and its screenshots."""
    (root / "shots").mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (root / name).write_text(text if name.endswith("l") else json.dumps(records[0]))
    for number in range(n_pictures):
        build.screen(number, W, H).save(root / "shots" / f"{number}.png")
    return root


def only(out: Path) -> Trajectory:
    """Return the only trajectory of an import."""
    [trajectory] = trajectories(out)
    return trajectory


def grid(source: Path, out: Path) -> Any:
    """Import with coordinates of 0 to 999."""
    return imported("qwen-messages", source, out, "--coordinates", "grid-999")


def test_a_mai_ui_log(tmp_path: Path) -> None:
    """The instruction as a turn of its own; replies of user and tool in place of a screenshot; the last screen."""
    messages = [
        SYSTEM, user("Mute calls"), shown(0), said(tap(500, 999)), shown(1),
        said({"action": "ask_user", "text": "Who?"}), user("Ann"), said({"q": 1}, name="map.search"),
        user("Tool call result: [{'a': 1}]"),
        said({"action": "type", "text": "Ann 你好"}), shown(2), said({"action": "swipe", "direction": "up"}),
        shown(3), said(END), shown(4),
    ]  # fmt: skip
    root = log(tmp_path / "in", {"id": 7, "messages": messages, "tools": [{"name": "map.search"}]})
    done = grid(root, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    trajectory = only(tmp_path / "out")
    assert (trajectory.trajectory_id, trajectory.goal) == ("7", "Mute calls")
    assert [type(step.actions[0]) for step in trajectory.steps] == [Click, AskUser, CallTool, Type, Swipe, Terminate]
    assert [step.inbound for step in trajectory.steps] == [
        (), (), (Inbound("user_reply", "Ann"),), (Inbound("tool_response", "[{'a': 1}]", "map.search"),), (), (),
    ]  # fmt: skip
    click = trajectory.steps[0].actions[0]
    assert isinstance(click, Click)
    assert (click.point, click.frame) == ((500 / 999, 1.0), Frame(kind="grid", scale=999))
    assert json.loads(click.src or "") == {"name": "mobile_use", "arguments": tap(500, 999)}
    screens = [step.observation.image.path for step in trajectory.steps]
    assert screens == ["000.png", "001.png", "001.png", "001.png", "002.png", "003.png"]
    assert trajectory.final_observation is not None
    assert trajectory.final_observation.image.path == "004.png"
    assert {step.text.thought for step in trajectory.steps} == {"So."}
    assert trajectory.steps[0].response is not None
    assert trajectory.steps[0].response.raw == messages[3]["content"]
    assert json.loads(trajectory.extra or "") == {"system": "You operate a phone."}
    assert [json.loads(tool) for tool in trajectory.tools] == [{"name": "map.search"}]


@pytest.mark.parametrize(
    ("coordinates", "more", "pair", "frame"),
    [
        ("grid-999", (), [999, 500], Frame(kind="grid", scale=999)),
        ("grid-1000", (), [1000, 500], Frame(kind="grid", scale=1000)),
        ("pixels", (), [W, 400], Frame(kind="px", size=(W, H))),
        ("resized-28", (), [364, 400], Frame(kind="resized_px", size=(364, 812))),
        ("resized-32", (), [352, 400], Frame(kind="resized_px", size=(352, 800))),
        ("resized-28", ("--processor-max-pixels", "100352"), [196, 400], Frame(kind="resized_px", size=(196, 448))),
    ],
)  # fmt: skip
def test_what_the_numbers_count(
    tmp_path: Path, coordinates: str, more: tuple[str, ...], pair: list[int], frame: Frame
) -> None:
    """The user says it; the right edge is the right edge in each frame, one beyond it is refused."""
    root = log(tmp_path / "in", {"messages": [user("Go"), shown(0), said(tap(*pair))]})
    done = imported("qwen-messages", root, tmp_path / "out", "--coordinates", coordinates, *more)
    assert done.exit_code == 0, done.stderr
    [click] = only(tmp_path / "out").steps[0].actions
    assert isinstance(click, Click)
    assert click.frame == frame
    assert click.point is not None
    assert click.point[0] == 1.0
    assert click.point[1] == pair[1] / (frame.size[1] if frame.size else frame.scale or 1)
    if frame.kind == "resized_px":
        factor = int(coordinates[-2:])
        limit = int(more[1]) if more else 16384 * factor**2
        assert frame.size == smart_resize(W, H, factor=factor, min_pixels=3136, max_pixels=limit)
    beyond = log(tmp_path / "beyond", {"messages": [user("Go"), shown(0), said(tap(pair[0] + 1, 5))]})
    imported("qwen-messages", beyond, tmp_path / "refused", "--coordinates", coordinates, *more)
    assert rows(tmp_path / "refused")[0]["code"] == "coordinate"


def test_it_must_be_told(tmp_path: Path) -> None:
    """No default; the limit only where something is resized."""
    root = str(log(tmp_path / "in", {"messages": [user("Go"), shown(0), said(END)]}))
    command = ["import", "qwen-messages", root, "-o", str(tmp_path / "out")]
    limited = ["--coordinates", "resized-28", "--processor-max-pixels"]
    for more, found in (
        ([], "--coordinates: found none, expected one of grid-999"),
        (["--coordinates", "0-999"], "found '0-999', expected one of"),
        (
            ["--coordinates", "pixels", "--processor-max-pixels", "100000"],
            "expected pixels, with --coordinates resized",
        ),
        ([*limited, "10"], "found '10', expected pixels"),
        ([*limited, "x"], "found 'x', expected pixels"),
    ):
        done = CliRunner().invoke(main, [*command, *more])
        assert (done.exit_code, found in done.stderr) == (2, True), done.stderr


def test_a_log_in_qwens_template(tmp_path: Path) -> None:
    """The task is wrapped, each turn anew; several calls of one reply are one step; a drag on a computer."""

    def query(progress: str) -> str:
        return f"The user query: Mute calls\nTask progress (done so far): {progress}"

    first = said(tap(1, 2), {"action": "type", "text": "x"}, before='Thought: I see.\nAction: "Tap it"\n')
    messages = [shown(0, query("nothing")), first, shown(1, query("Step 1: Tap it;")), said(END)]
    computer = {"messages": [
        shown(2, "Please generate the next move.\n\nInstruction: Sort it\n\nPrevious actions:\nNone"),
        said({"action": "scroll", "pixels": -5}, name="computer_use", before="Action: Scroll\n"),
    ]}  # fmt: skip
    root = log(tmp_path / "in", {"messages": messages}, computer)
    done = grid(root, tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    one, two = sorted(trajectories(tmp_path / "out"), key=lambda each: each.trajectory_id)
    assert (one.trajectory_id, one.goal, two.goal) == ("run#1", "Mute calls", "Sort it")
    assert [[type(action) for action in step.actions] for step in one.steps] == [[Click, Type], [Terminate]]
    assert (one.steps[0].text.thought, one.steps[0].text.instruction) == ("I see.", "Tap it")
    assert all(not step.inbound for step in one.steps)
    [scroll] = two.steps[0].actions
    assert isinstance(scroll, Scroll)
    assert (scroll.direction, scroll.dy) == ("down", 5)


def test_other_ways_to_log(tmp_path: Path) -> None:
    """Bare messages, data URLs, marks with a list of images, the field `tool_calls`, tool messages with a picture."""
    png = base64.b64encode(build.encoded(build.screen(1, W, H))).decode()
    listed = {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "computer_use", "arguments":
            json.dumps({"action": "left_click", "coordinate": [1, 2]})}}]}  # fmt: skip
    bare = [user("Go"), shown(f"data:image/png;base64,{png}"), listed,
            {"role": "tool", "name": "computer_use", "content": [{"type": "text", "text": "ok"},
                                                                 {"type": "image", "image": "shots/2.png"}]},
            {"role": "assistant", "content": "I have no idea."}]  # fmt: skip
    marks = {"messages": [{"role": "user", "content": "Go there\n<image>"}, said(tap(1, 1)),
                          {"role": "user", "content": "<image>"}, said(END)],
             "images": ["shots/0.png", "shots/1.png"], "goal": "Go there, please"}  # fmt: skip
    log(tmp_path / "in", bare, name="a.json")
    log(tmp_path / "in", [marks, marks], name="b.json")
    done = grid(tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    one, two, three = trajectories(tmp_path / "out")
    assert [one.trajectory_id, two.trajectory_id, three.trajectory_id] == ["a", "b#0", "b#1"]
    first, second = one.steps
    assert isinstance(first.actions[0], Click)
    assert first.text.thought == "Hm."
    assert json.loads(first.response.raw if first.response else "")["tool_calls"] == listed["tool_calls"]
    assert second.inbound == (Inbound("tool_response", "ok", "computer_use"),)
    assert isinstance(second.actions[0], Unknown)
    assert second.execution is not None
    assert second.execution.status == "unparsed"
    assert (two.goal, [step.observation.image.path for step in two.steps]) == (
        "Go there, please",
        ["000.png", "001.png"],
    )
    assert report(tmp_path / "out")["losses"] == {"action of no known meaning": 1}


@pytest.mark.parametrize(
    ("record", "code", "kept"),
    [
        ({"messages": [user("Go"), shown(0), said(tap(1, 1)), said(tap(2, 2)), shown(1), said(END)]},
         "image_missing", 1),
        ({"messages": [user("Go"), said(tap(1, 1))]}, "image_missing", 0),
        ({"messages": [user("Go"), shown(0), shown(1), said(END)]}, "unsupported", 0),
        ({"messages": [user("Go"), shown("../secret.png"), said(END)]}, "path_escape", 0),
        ({"messages": [user("Go"), shown("/etc/passwd"), said(END)]}, "path_escape", 0),
        ({"messages": [user("Go"), shown("file:///etc/passwd"), said(END)]}, "unsupported", 0),
        ({"messages": [user("Go"), shown("https://example.invalid/x.png"), said(END)]}, "unsupported", 0),
        ({"messages": [user("Go"), shown("data:image/png;base64,@@@"), said(END)]}, "image_broken", 0),
        ({"messages": [user("Go"), shown("data:image/png,x"), said(END)]}, "image_broken", 0),
        ({"messages": [user("Go"), shown("data:image/png;base64,AAAA"), said(END)]}, "image_broken", 0),
        ({"messages": [shown(0), said(END)]}, "no_goal", 0),
        ({"messages": [user("Go"), shown(0)]}, "no_steps", 0),
        ({"messages": []}, "no_goal", 0),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "unsupported", 0),
        ({"messages": [{"role": "user", "content": [{"type": "video", "video": "x"}]}]}, "unsupported", 0),
        ({"messages": [{"role": "user", "content": 3}]}, "unsupported", 0),
        ({"messages": [user("Go <image> <image>"), said(END)], "images": ["shots/0.png"]}, "shape", 0),
        ({"messages": [user("Go <image>"), said(END)], "images": ["shots/0.png", "shots/1.png"]}, "shape", 0),
        ({"messages": "x"}, "shape", 0),
        ({"text": "x"}, "shape", 0),
        ({"messages": [user("Go"), shown(0), said(tap(float("nan"), 1))]}, "coordinate", 0),
        ({"messages": [user("Go"), shown(0), said(tap(float("inf"), 1))]}, "coordinate", 0),
        ({"messages": [user("Go"), shown(0), said(tap(1, 10**400))]}, "coordinate", 0),
    ],
)  # fmt: skip
def test_what_cannot_be_taken(tmp_path: Path, record: Any, code: str, kept: int) -> None:
    """A row each, with the place; what comes before it stays."""
    root = log(tmp_path / "in", record)
    done = grid(root, tmp_path / "out")
    assert done.exit_code == 1
    assert rows(tmp_path / "out")[0]["code"] == code
    assert rows(tmp_path / "out")[0]["record"].startswith("line 1")
    assert [len(each.steps) for each in trajectories(tmp_path / "out")] == ([kept] if kept else [])
