"""Act in the live app: many tabs of one headless Chromium, wrong turns planted on the way, every step judged."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from playwright.async_api import BrowserContext, Page, async_playwright

from pipeline import seeds
from pipeline.actions import Action, Button, Click, Terminate
from pipeline.records import Turn
from sample_data.driver import BACK as GO_BACK
from sample_data.driver import ELEMENTS, FLAGS

from .goals import Goal
from .oracle import START, Facts, Move, Oracle
from .record import SCREEN, address

WIDTH, HEIGHT = int(SCREEN.width or 0), int(SCREEN.height or 0)
LOOK = """async () => {
  while (App.pending) await new Promise((done) => setTimeout(done, 5));
  for (let i = 0; i < 2; i++) await new Promise((done) => requestAnimationFrame(done));
  return App.facts();
}"""
HIT = """([x, y]) => {
  const hit = document.elementFromPoint(x, y)?.closest("[data-act]");
  return hit ? hit.dataset.act : "";
}"""
LEAVING = frozenset({"back", "dismiss"})
"""What an element does that takes the agent back: the arrow, Cancel, a tap beside a sheet."""
HORIZON = 15
"""Turns of an episode at most, the first and the planted ones included."""
PATIENCE = 4
"""Decisions in which a wrong turn has to be made good to count as recovered, the right move after it included."""
MOST_SLIPS = 3


@dataclass(frozen=True)
class Task:
    """An episode to be."""

    layout: str
    goal: Goal
    slip: float
    """Probability that a decision of the agent is replaced by a wrong turn."""
    number: int

    def draws(self, step: int) -> bool:
        """Tell whether a wrong turn is planted at this step, if one can be: the same for every agent."""
        return seeds.uniform("slip", self.goal.name, self.layout, self.number, step) < self.slip


@dataclass
class Planted:
    """A wrong turn and what became of it."""

    kind: str
    distance: int
    """Moves that were left before it."""
    decisions: int = 0
    """Of the agent since."""
    recovered: bool | None = None
    """None while it is open."""


@dataclass
class Episode:
    """What happened so far."""

    task: Task
    oracle: Oracle
    facts: Facts
    turns: list[Turn] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    """The screen before each turn, and the current one."""
    planted: list[Planted] = field(default_factory=list)
    astray: bool = False
    """Whether anything went wrong yet, by a planted turn or the agent's own."""
    decisions_on_path: int = 0
    """Decisions of the agent while nothing had gone wrong."""
    went_back_on_path: int = 0
    """Of these, how many went back."""
    invalid: bool = False
    """Whether the agent said something that is no action."""
    success: bool = False

    @property
    def over(self) -> bool:
        """Whether no decision is left."""
        ended = bool(self.turns) and isinstance(self.turns[-1].actions[0], Terminate)
        return self.invalid or ended or len(self.turns) >= HORIZON

    @property
    def open(self) -> Planted | None:
        """The planted turn that is not made good yet."""
        return self.planted[-1] if self.planted and self.planted[-1].recovered is None else None


class Policy(Protocol):
    """Who decides."""

    async def decide(self, episodes: Sequence[tuple["Tab", Episode]]) -> list[Action | None]:
        """Return an action for each episode, None where what was said is none."""


class Tab:
    """One page of the app."""

    def __init__(self, page: Page, cdp: Any) -> None:
        self.page = page
        self._cdp = cdp

    async def open(self, layout: str) -> None:
        """Load the app anew."""
        await self.page.goto(address(layout))

    async def look(self) -> tuple[bytes, Facts]:
        """Wait until nothing changes; return the screen as a PNG and where the app is."""
        facts = Facts(**await self.page.evaluate(LOOK))
        shot = await self._cdp.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})
        return base64.b64decode(shot["data"]), facts

    async def action(self, move: Move) -> Action:
        """Return the move as an action on the current screen."""
        if move.do == "done":
            return Terminate(status="success")
        if move.do == "back":
            return Button(name="back")
        seen = (await self.page.evaluate(ELEMENTS))["elements"]
        found = [e for e in seen if e["text"] == move.name and e["role"] == move.role and e["topmost"]]
        x1, y1, x2, y2 = found[0]["box"]
        return Click(point=((x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT))

    async def goes_back(self, action: Action) -> bool:
        """Tell whether the action leaves the page, sheet or menu for what was there before."""
        if isinstance(action, Click) and action.point is not None:
            return await self.page.evaluate(HIT, self._pixels(action)) in LEAVING
        return isinstance(action, Button) and action.name == "back"

    async def act(self, action: Action, facts: Facts) -> None:
        """Do it; what is neither a tap nor Back does nothing here, nor does Back on the first page."""
        if isinstance(action, Click) and action.point is not None:
            await self.page.mouse.click(*self._pixels(action))
        elif isinstance(action, Button) and action.name == "back" and facts.path != "/welcome":
            await self.page.evaluate(GO_BACK)

    def _pixels(self, action: Click) -> list[float]:
        x, y = action.point or (0.0, 0.0)
        return [min(x * WIDTH, WIDTH - 1), min(y * HEIGHT, HEIGHT - 1)]


@asynccontextmanager
async def tabs(chromium: str, number: int) -> AsyncIterator[list[Tab]]:
    """Start Chromium and yield so many tabs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS), headless=True)
        try:
            # One context, as the app keeps nothing: a window for each tab takes Chromium more than the app does.
            viewport = {"width": WIDTH, "height": HEIGHT}
            context = await browser.new_context(viewport=viewport, reduced_motion="reduce")
            yield [await _tab(context) for _ in range(number)]
        finally:
            await browser.close()


async def _tab(context: BrowserContext) -> Tab:
    page = await context.new_page()
    return Tab(page, await context.new_cdp_session(page))


async def play(pages: Sequence[Tab], tasks: Sequence[Task], policy: Policy) -> list[Episode]:
    """Play all episodes, as many at a time as there are tabs, and return them in the order of the tasks."""
    done: dict[Task, Episode] = {}
    waiting = list(reversed(tasks))
    running: list[tuple[Tab, Episode]] = []
    free = list(pages)
    while waiting or running:
        starts = [(free.pop(), waiting.pop()) for _ in range(min(len(free), len(waiting)))]
        running += list(zip([tab for tab, _ in starts], await asyncio.gather(*(_start(*s) for s in starts)),
                            strict=True))  # fmt: skip
        slips = await asyncio.gather(*(_slip(tab, episode) for tab, episode in running))
        asked = [pair for pair, slip in zip(running, slips, strict=True) if slip is None]
        said = iter(await policy.decide(asked) if asked else [])
        actions = [next(said) if slip is None else slip for slip in slips]
        await asyncio.gather(
            *(_step(tab, episode, action, planted=slip is not None)
              for (tab, episode), action, slip in zip(running, actions, slips, strict=True))
        )  # fmt: skip
        for tab, episode in running:
            if episode.over:
                done[episode.task] = episode
                free.append(tab)
        running = [pair for pair in running if not pair[1].over]
    return [done[task] for task in tasks]


async def _start(tab: Tab, task: Task) -> Episode:
    """Open the app and leave its first page, as every recording does; the agent decides from there on."""
    await tab.open(task.layout)
    first, facts = await tab.look()
    oracle = Oracle(task.goal, facts.result)
    start = await tab.action(START)
    await tab.act(start, facts)
    picture, facts = await tab.look()
    return Episode(task, oracle, facts, [Turn(0, (start,), size=(WIDTH, HEIGHT))], [first, picture])


async def _slip(tab: Tab, episode: Episode) -> Action | None:
    """Return the wrong turn that is planted now, or None."""
    step, facts = len(episode.turns), episode.facts
    if episode.open or len(episode.planted) == MOST_SLIPS or not episode.task.draws(step):
        return None
    possible = episode.oracle.slips(facts)
    if not possible:
        return None
    draw = (episode.task.goal.name, episode.task.layout, episode.task.number, step)
    kind = seeds.pick(sorted({slip.kind for slip in possible}), "kind", *draw)
    chosen = seeds.pick([slip for slip in possible if slip.kind == kind], "slip of kind", *draw)
    episode.planted.append(Planted(kind, episode.oracle.distance(facts)))
    return await tab.action(chosen.move)


async def _step(tab: Tab, episode: Episode, action: Action | None, *, planted: bool) -> None:
    """Carry an action out and judge it."""
    if action is None:
        episode.invalid = True
        _close(episode)
        return
    before = episode.oracle.distance(episode.facts)
    if not planted and not episode.astray:
        episode.decisions_on_path += 1
        episode.went_back_on_path += await tab.goes_back(action)
    episode.turns.append(Turn(len(episode.turns), (action,), size=(WIDTH, HEIGHT)))
    if isinstance(action, Terminate):
        episode.success = action.status == "success" and episode.oracle.succeeded(episode.facts)
        _close(episode)
        return
    await tab.act(action, episode.facts)
    picture, episode.facts = await tab.look()
    episode.pictures.append(picture)
    episode.oracle.see(episode.facts)
    after = episode.oracle.distance(episode.facts)
    episode.astray = episode.astray or planted or after != before - 1
    if (wrong := episode.open) is not None and not planted:
        wrong.decisions += 1
        if after < wrong.distance:
            wrong.recovered = True
        elif wrong.decisions == PATIENCE:
            wrong.recovered = False
    if episode.over:
        _close(episode)


def _close(episode: Episode) -> None:
    if (wrong := episode.open) is not None:
        wrong.recovered = episode.success
