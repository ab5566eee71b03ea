"""Record what there is to learn from: the oracle's way to each goal, in the app, in the format of trajectories."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import Browser

from pipeline.actions import Action, Button, Click, Terminate
from pipeline.records import Device, Execution, Outcome, Source, Step, StepText, Trajectory
from sample_data.driver import Driver
from sample_data.scripts.script import Target

from .goals import Goal
from .oracle import Facts, Move, Oracle

APP = (Path(__file__).parent / "app" / "index.html").as_uri()
SCREEN = Device(name="Phone 112x196@1", width=112, height=196, scale=1)
"""Sides that the processor of Qwen2.5-VL leaves as they are: 28 tokens."""
FACTS = "() => App.facts()"
LONGEST = 12


def address(layout: str) -> str:
    """Return the address of the app in a layout."""
    return f"{APP}?app=drive&lang=en&layout={layout}"


def record_all(browser: Browser, wanted: Sequence[tuple[str, Goal]], out: Path) -> int:
    """Record the goals that the folder does not hold yet and return the number of steps recorded."""
    steps = 0
    with Driver(browser, SCREEN, "en") as driver:
        for layout, goal in wanted:
            folder = out / f"{layout.replace(',', '-') or 'plain'}-{goal.name}"
            if not (folder / "trajectory.json").exists():
                steps += len(_record(driver, layout, goal, folder).steps)
    return steps


def _record(driver: Driver, layout: str, goal: Goal, folder: Path) -> Trajectory:
    folder.mkdir(parents=True, exist_ok=True)
    driver.open(address(layout))
    oracle = Oracle(goal, _facts(driver).result)
    steps: list[Step] = []
    while True:
        name = f"{len(steps)}.png"
        png = driver.picture()
        (folder / name).write_bytes(png)
        seen, facts = driver.observe(name, png), _facts(driver)
        oracle.see(facts)
        move = oracle.next(facts)
        noise = bytes((128, 128))
        action = _action(driver, move, seen, noise)
        driver.act(action)
        text = StepText(instruction=move.name or move.do)
        steps.append(Step(len(steps), seen, (action,), text, execution=Execution(status="ok")))
        if move.do == "done":
            break
        assert len(steps) < LONGEST, folder.name
    final = driver.picture()
    (folder / "final.png").write_bytes(final)
    trajectory = Trajectory(
        schema="gdp.traj/1",
        trajectory_id=folder.name,
        goal=goal.text,
        steps=tuple(steps),
        platform="web",
        lang="en",
        outcome=Outcome(status="success", by="env"),
        final_observation=driver.observe("final.png", final),
        source=Source(dataset="gdp-learn", licence="Apache-2.0", converter="benchmarks/learn"),
        device=SCREEN,
        apps=("Drive",),
    )
    (folder / "trajectory.json").write_bytes(msgspec.json.encode(trajectory))
    return trajectory


def _facts(driver: Driver) -> Facts:
    return Facts(**driver.page.evaluate(FACTS))


def _action(driver: Driver, move: Move, seen: Any, noise: bytes) -> Action:
    if move.do == "back":
        return Button(name="back")
    if move.do == "done":
        return Terminate(status="success")
    point, box = driver.aim(Target(move.name, move.role), seen, noise)
    return Click(point=point, bbox=box)
