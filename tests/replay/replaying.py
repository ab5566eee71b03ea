"""Replays a claim in a live app, from its seed on, and compares every screen, pixel by pixel."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from claims import Claim, Shown
from PIL import Image
from playwright.sync_api import Browser

from pipeline.errors import KINDS
from sample_data.driver import Driver

HARM = "() => (App.state.harm || []).length"
EVENT = "(name) => App.event(name)"
POPUP = "rate"


@dataclass(frozen=True)
class Verdict:
    """What came of a claim."""

    claim: Claim
    ready: bool
    """The app came to the recorded screen before the error."""
    true: bool
    """Every screen after a wrong action is the live one."""
    restored: bool
    """After the correction the app is where the recording goes on."""
    harmless: bool
    """The wrong action did nothing that cannot be undone."""
    wrong: tuple[int, ...] = ()
    """Positions of the turns whose screens are not the live ones."""

    @property
    def good(self) -> bool:
        """Whether all of it holds."""
        return self.ready and self.true and self.restored and self.harmless


class Replayer:
    """One browser, a tab for each device and language; every replay loads its app anew."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._drivers: dict[tuple[str, str], Driver] = {}
        self._stack = ExitStack()

    def close(self) -> None:
        """Close the tabs."""
        self._stack.close()

    def driver(self, device: object, lang: object) -> Driver:
        """Return the tab for a device and a language."""
        key = (repr(device), str(lang))
        if key not in self._drivers:
            self._drivers[key] = self._stack.enter_context(Driver(self._browser, device, lang))  # type: ignore[arg-type]
        return self._drivers[key]

    def replay_all(self, claims: Iterable[Claim]) -> list[Verdict]:
        """Replay claims; those of one decision that should change nothing come one after the other, to save the way.

        Only where something is wrong with such a row is each of them replayed by itself.
        """
        rows: dict[tuple[object, str | None], list[Claim]] = {}
        for claim in claims:
            quiet = KINDS[claim.kind].truth == "same screen"
            rows.setdefault((claim.decision, None if quiet else claim.kind), []).append(claim)
        verdicts = []
        for (_, kind), row in rows.items():
            longest = max(row, key=lambda claim: len(claim.shown))
            # Of an error's way out and its second try, the second begins with all of the first.
            together = self._replay(row if kind is None else [longest])
            if together.good:
                verdicts += [replace(together, claim=claim) for claim in row]
            else:
                verdicts += [self._replay([claim]) for claim in row]
        return verdicts

    def replay(self, claim: Claim) -> Verdict:
        """Do what the sample says, from the seed on, and see what the app shows."""
        return self._replay([claim])

    def _replay(self, row: Sequence[Claim]) -> Verdict:
        """Go to the decision, do in each claim all but the correction, and at last the correction."""
        claim, recording = row[0], row[0].recording
        driver = self.driver(recording.device, recording.lang)
        driver.open(recording.address)
        came: set[int] = set()
        for item in claim.shown[: claim.tail]:
            self._happen(driver, claim, item.turn.step_index, came)
            for action in item.actions:
                driver.act(action)
        self._happen(driver, claim, claim.index, came)
        ready = same(driver.picture(), recording.screen(claim.index))
        harm = driver.page.evaluate(HARM)
        wrong: list[int] = []
        if claim.kind == "popup_real":  # comes from outside, as it did in the other recording
            driver.page.evaluate(EVENT, POPUP)
        for each in row:
            tail = list(enumerate(each.shown))[each.tail :]
            for position, item in tail if each is row[-1] else tail[:-1]:
                if item.screens and (position > each.tail or each.kind == "popup_real"):
                    self._compare(driver, item, position, wrong)
                for action in item.actions:
                    driver.act(action)
            if each is not row[-1]:
                self._compare(driver, tail[-1][1], tail[-1][0], wrong)
        self._happen(driver, claim, row[-1].goes_on, came)
        restored = same(driver.picture(), row[-1].after)
        harmless = driver.page.evaluate(HARM) == harm
        return Verdict(claim, ready=ready, true=not wrong, restored=restored, harmless=harmless, wrong=tuple(wrong))

    def _happen(self, driver: Driver, claim: Claim, index: int, came: set[int]) -> None:
        """Let come from outside what came before this step when it was recorded."""
        event = claim.recording.events.get(index)
        if event is not None and index not in came:
            came.add(index)
            driver.page.evaluate(EVENT, event)

    def _compare(self, driver: Driver, item: Shown, position: int, wrong: list[int]) -> None:
        live = driver.picture()
        if len(item.screens) != 1 or not same(live, item.screens[0]):
            wrong.append(position)


@contextmanager
def replayer(browser: Browser) -> Iterator[Replayer]:
    """Open a replayer and close its tabs afterwards."""
    made = Replayer(browser)
    try:
        yield made
    finally:
        made.close()


def same(live: bytes, recorded: Path) -> bool:
    """Tell whether two PNGs show the same pixels."""
    known = recorded.read_bytes()
    return live == known or _pixels(live) == _pixels(known)


@lru_cache(maxsize=512)
def _pixels(png: bytes) -> str:
    """Return a hash of the picture; a screen that stays the same is encoded to the same bytes and decoded once."""
    with Image.open(io.BytesIO(png)) as picture:
        content = picture.convert("RGB")
    return f"{content.size} {hashlib.sha256(content.tobytes()).hexdigest()}"
