"""The judge in the live app: who knows everything succeeds, who sees nothing succeeds where nothing went wrong."""

import asyncio
import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path

import build
import msgspec
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
if CHROMIUM is None or importlib.util.find_spec("playwright") is None:
    pytest.skip("acting needs Chromium and Playwright", allow_module_level=True)

from benchmarks.learn.agent import prompt  # noqa: E402
from benchmarks.learn.goals import LOOKS, OTHER_PLACES, SPLITS, VALIDATION, Goal  # noqa: E402
from benchmarks.learn.live import Episode, Policy, Tab, Task, play, tabs  # noqa: E402
from benchmarks.learn.record import record_all  # noqa: E402
from benchmarks.learn.score import KINDS  # noqa: E402
from pipeline.actions import Action, Button, Terminate  # noqa: E402
from pipeline.records import Trajectory  # noqa: E402
from sample_data.driver import chromium  # noqa: E402

SPLIT = SPLITS["measured"]
ACTED = (*SPLIT.held_out[:4], LOOKS[0], LOOKS[-5], LOOKS[-1])


class Perfect:
    """Asks the oracle."""

    async def decide(self, episodes: Sequence[tuple[Tab, Episode]]) -> list[Action | None]:
        return list(await asyncio.gather(*(tab.action(e.oracle.next(e.facts)) for tab, e in episodes)))


class Blind:
    """Does what was right where nothing went wrong, whatever the screen shows."""

    def __init__(self, plans: dict[tuple[str, Goal], list[Action]]) -> None:
        self.plans = plans

    async def decide(self, episodes: Sequence[tuple[Tab, Episode]]) -> list[Action | None]:
        return [self.plans[e.task.layout, e.task.goal][len(e.turns) - len(e.planted)] for _, e in episodes]


class Timid:
    """Goes back once, at home, and then does what is right; never ends where it may not."""

    async def decide(self, episodes: Sequence[tuple[Tab, Episode]]) -> list[Action | None]:
        return [Button(name="back") if len(e.turns) == 1 else await tab.action(e.oracle.next(e.facts))
                for tab, e in episodes]  # fmt: skip


class Hasty:
    """Says at once that all is done."""

    async def decide(self, episodes: Sequence[tuple[Tab, Episode]]) -> list[Action | None]:
        return [Terminate(status="success") for _ in episodes]


class Mute:
    """Says nothing that is an action."""

    async def decide(self, episodes: Sequence[tuple[Tab, Episode]]) -> list[Action | None]:
        return [None for _ in episodes]


def acted(tasks: Sequence[Task], *policies: Policy) -> list[list[Episode]]:
    async def run() -> list[list[Episode]]:
        async with tabs(str(CHROMIUM), 6) as pages:
            return [await play(pages, tasks, policy) for policy in policies]

    return asyncio.run(run())


@pytest.fixture(scope="module")
def calm() -> list[list[Episode]]:
    """Episodes without a planted turn, of each agent."""
    tasks = [Task(SPLIT.held_out_layouts[n % 2], goal, 0.0, 0) for n, goal in enumerate(ACTED)]
    return acted(tasks, Perfect(), Timid(), Hasty(), Mute())


@pytest.fixture(scope="module")
def stormy(calm: list[list[Episode]]) -> list[list[Episode]]:
    """The same goals and layouts with planted turns."""
    plans = {(e.task.layout, e.task.goal): [turn.actions[0] for turn in e.turns] for e in calm[0]}
    tasks = [Task(e.task.layout, e.task.goal, 0.4, n) for e in calm[0] if e.task.goal not in LOOKS for n in range(4)]
    return acted(tasks, Perfect(), Blind(plans))


def test_who_knows_everything_succeeds(calm: list[list[Episode]], stormy: list[list[Episode]]) -> None:
    for episode in (*calm[0], *stormy[0]):
        assert episode.success, episode.task
        assert episode.went_back_on_path == (episode.task.goal.verb in {"look", "peek"})  # looking is leaving again
        assert all(slip.recovered for slip in episode.planted)
    assert {slip.kind for e in stormy[0] for slip in e.planted} == set(KINDS)
    assert not any(e.planted for e in calm[0])


def test_who_sees_nothing_succeeds_where_nothing_went_wrong(stormy: list[list[Episode]]) -> None:
    """A tap on dead text is no harm to anybody; everything else is, or the wrong turns would be none."""
    for episode in stormy[1]:
        assert episode.success == all(slip.kind == "dead_tap" for slip in episode.planted), episode.task
    assert 0 < sum(e.success for e in stormy[1]) < len(stormy[1])
    assert not any(slip.recovered for e in stormy[1] for slip in e.planted if slip.kind.startswith("wrong"))


def test_wrong_turns_are_the_same_for_every_agent_until_they_part(stormy: list[list[Episode]]) -> None:
    for one, other in zip(*stormy, strict=True):
        assert [slip.kind for slip in one.planted][:1] == [slip.kind for slip in other.planted][:1]


def test_going_back_where_nothing_is_wrong_is_counted(calm: list[list[Episode]]) -> None:
    for episode in calm[1]:
        assert (episode.went_back_on_path, episode.decisions_on_path) == (1, 1)
        assert episode.success


def test_saying_it_is_done_is_not_enough(calm: list[list[Episode]]) -> None:
    assert not any(episode.success for episode in (*calm[2], *calm[3]))
    assert all(episode.invalid for episode in calm[3])
    assert not any(episode.invalid for episode in calm[2])


def test_the_agent_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    """The conversation of a live decision is that of the sample, up to the answer, with the same screenshots."""
    goal = Goal("Kappa", "look")
    with chromium(str(CHROMIUM)) as browser:
        record_all(browser, [("dark", goal), ("", Goal("Delta"))], tmp_path / "t")
    dataset = build.sliced(
        tmp_path / "t", tmp_path / "s", layout="qwen2.5-vl", history_images=2, max_history=1, min_history=1,
        max_pixels=65536, val_fraction=0.5,
    )  # fmt: skip
    samples = sorted((s for s in dataset.samples() if s.goal == goal.text), key=lambda sample: sample.step_index)
    assert len(samples) == 4
    screens = [(tmp_path / "t" / f"dark-{goal.name}" / f"{n}.png").read_bytes() for n in range(5)]
    (episode,) = acted([Task("dark", goal, 0.0, 0)], Perfect())[0]
    assert [len(png) for png in episode.pictures[:5]] == [len(png) for png in screens]
    for sample in samples:
        n = sample.step_index
        messages, shown = prompt(dataset.manifest, goal.text, episode.turns[:n])
        assert messages[:-1] == sample.messages[:-1]
        assert [screens[i] for i in shown] == [dataset.image(ref) for ref in sample.images]


def test_the_wrong_places_that_are_planted_are_among_the_errors_that_are_shown(tmp_path: Path) -> None:
    """`gdp augment-errors` refuses some elements, such as tabs; a wrong turn onto one would teach no arm anything."""
    goals = [goal for goal in SPLIT.recorded if goal.verb in {"star", "share"} or goal.name.startswith("peek-")]
    with chromium(str(CHROMIUM)) as browser:
        record_all(browser, [("", goal) for goal in (*goals, Goal(VALIDATION))], tmp_path / "t")
    build.sliced(
        tmp_path / "t", tmp_path / "s", layout="qwen2.5-vl", history_images=2, max_history=1, min_history=1,
        max_pixels=65536, val_fraction=0.0,
    )  # fmt: skip
    made = build.augmented(tmp_path / "s", tmp_path / "a", rate=0.5, kinds=("wrong_element",))
    at_home = {
        turn.actions[0].point
        for sample in made.samples()
        for turn in sample.turns
        if turn.role == "error" and sample.goal.startswith(("Star", "Share"))
    }
    assert {place for place in OTHER_PLACES if _tapped(tmp_path / "t", place) in at_home} == set(OTHER_PLACES)


def _tapped(recordings: Path, place: str) -> object:
    """Return where a recording taps to get to a place."""
    path = recordings / f"plain-peek-{place.lower()}" / "trajectory.json"
    return msgspec.json.decode(path.read_bytes(), type=Trajectory).steps[1].actions[0].point
