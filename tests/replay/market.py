"""Records walks through the market, in the format of sample_data."""

import hashlib
from pathlib import Path

import msgspec
from moves import Walk
from msgspec.structs import replace

from pipeline.actions import Action, Click, LongPress
from pipeline.describe import sentence
from pipeline.records import Device, Execution, Label, Observation, Outcome, Source, Step, StepText, Trajectory
from sample_data.driver import Driver, RecordingError
from sample_data.scripts.script import Move

APP = (Path(__file__).parent / "app" / "index.html").as_uri()
PHONE = Device(name="Phone 384x832@1", width=384, height=832, scale=1)
"""Sides that Qwen3-VL's processor leaves as they are, so that a stored screenshot is the recorded one."""


def address(walk: Walk) -> str:
    """Return the address of the market with the walk's traps."""
    return APP + walk.query


def record(driver: Driver, walk: Walk, out: Path) -> Trajectory:
    """Take the walk and write its trajectory and pictures into a folder of its own."""
    folder = out / walk.id
    folder.mkdir(parents=True)

    def look(name: str) -> Observation:
        png = driver.picture()
        (folder / name).write_bytes(png)
        return driver.observe(name, png)

    steps: list[Step] = []
    wrong = None
    driver.open(address(walk))
    for index, move in enumerate(walk.moves):
        if index in walk.events:
            driver.page.evaluate("(name) => App.event(name)", walk.events[index])
        seen = look(f"{index}.png")
        try:
            action = _action(driver, walk, index, move, seen)
            driver.act(action)
        except RecordingError as error:
            raise RecordingError(f"{walk.id}, step {index}: {error}") from error
        label = Label()
        if move.error:
            wrong, label = index, Label(role="error", correct=False, error_kind=move.error, by="human")
        elif move.repairs:
            label = Label(role="recovery", correct=True, by="human", corrects_step=wrong)
        name = None if move.target is None else move.target.text
        text = StepText(instruction=sentence(action, walk.lang, name))
        steps.append(Step(index, seen, (action,), text, execution=Execution(status="ok"), label=label))
    final = look("final.png")
    trajectory = Trajectory(
        schema="gdp.traj/1",
        trajectory_id=walk.id,
        goal=walk.goal,
        steps=tuple(steps),
        platform="web",
        lang=walk.lang,
        outcome=Outcome(status="success", by="env"),
        final_observation=final,
        source=Source(dataset="gdp-proof", licence="Apache-2.0", converter="tests/replay"),
        device=PHONE,
        apps=(final.app or "",),
    )
    (folder / "trajectory.json").write_bytes(msgspec.json.encode(trajectory))
    return trajectory


def _action(driver: Driver, walk: Walk, index: int, move: Move, seen: Observation) -> Action:
    if move.target is None:
        assert move.action is not None, walk.id
        return move.action
    noise = hashlib.sha256(f"{walk.id}/{index}".encode()).digest()
    point, box = driver.aim(move.target, seen, noise)
    return replace(move.action, point=point) if isinstance(move.action, LongPress) else Click(point=point, bbox=box)
