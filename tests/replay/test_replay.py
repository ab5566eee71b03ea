"""The gates of the proof: what `gdp augment-errors` claims is what a live app shows.

Trajectories are recorded in an app with traps, sliced and augmented; every injected turn is replayed in a headless
Chromium from the app's seed, and each screen compared to the pixel.
"""

import importlib.util
import shutil
from collections.abc import Iterator

import pytest

from pipeline.errors import KINDS
from pipeline.errors.guards import GUARDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="Playwright is not installed"),
]
if CHROMIUM is None or importlib.util.find_spec("playwright") is None:
    pytest.skip("the proof needs Chromium and Playwright", allow_module_level=True)

from aiming import POINTS, beside, jittered  # noqa: E402
from proof import Proof, Result  # noqa: E402
from replaying import Replayer, Verdict, replayer  # noqa: E402
from traps import CASES, NO_LIVE_TRAP, Case  # noqa: E402

from sample_data.driver import chromium  # noqa: E402

FIRES = 5
"""Every kind fires at least so often, in screens and ways that differ."""


@pytest.fixture(scope="module")
def tabs() -> Iterator[Replayer]:
    """Start one browser for the whole proof."""
    with chromium(str(CHROMIUM)) as browser, replayer(browser) as made:
        yield made


@pytest.fixture(scope="module")
def proof(tabs: Replayer, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """Keep what has been recorded for all tests."""
    return Proof(tabs, tmp_path_factory.mktemp("proof"))


@pytest.fixture(scope="module")
def result(proof: Proof) -> Result:
    """Replay everything that is injected where no trap is on."""
    return proof.truth()


def told(verdicts: list[Verdict]) -> list[str]:
    """Return what is wrong, for the message of a failed gate."""
    return [f"{v.claim.sample_id}: ready {v.ready}, true {v.true}, restored {v.restored}, harmless {v.harmless}"
            for v in verdicts if not v.good]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_injected_is_what_the_app_shows(result: Result, kind: str) -> None:
    """Screen truth and restoration: 1 where the screen stays or is recorded, at least 0.99 for the graph's screens."""
    verdicts = result.verdicts.get(kind, [])
    assert all(verdict.ready for verdict in verdicts), "the app did not come to the recorded screen"
    good = sum(verdict.good for verdict in verdicts)
    gate = 0.99 if KINDS[kind].truth == "graph" else 1.0
    assert good >= gate * len(verdicts), told(verdicts)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_fires(result: Result, kind: str) -> None:
    """A kind that never fires is always true."""
    assert len(result.verdicts.get(kind, [])) >= FIRES


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_a_trap_is_seen(proof: Proof, number: int) -> None:
    """With the guards on nothing false is injected; off, the gate goes red; each guard alone holds."""
    control = proof.control(number, CASES[number])
    assert told(list(control.on)) == []
    assert all(verdict.ready for verdict in control.off)
    assert control.false > 0 or not CASES[number].guards, "no gate went red with the guards off"
    assert sum(control.leaks.values()) == 0, control.leaks


def test_jittered_points_land_on_their_element(proof: Proof, tabs: Replayer) -> None:
    """A thousand points for every control, with rounded and overlapping ones among them, as the model reads them."""
    seen: set[str | None] = set()
    found = [each for recording in proof.to_aim_at() for each in jittered(tabs, recording, seen)]
    drawn = [each for each in found if each.points]
    assert [each for each in drawn if each.hits != each.points] == []
    assert len(drawn) > len(found) / 2, "hardly anything can be moved"
    assert sum(each.points for each in drawn) >= 100 * POINTS


def test_points_beside_the_target_miss_it(proof: Proof, tabs: Replayer) -> None:
    """The rejected points of preference pairs; those of `tap_near_miss` are replayed above."""
    found = [each for recording in proof.to_aim_at() for each in beside(tabs, recording, proof.aimed, range(5))]
    assert [each for each in found if each.hits] == []
    assert sum(each.points for each in found) >= 30


def test_every_guard_has_its_negative_control() -> None:
    """Or it is named with the reason why no live app can show it."""
    controlled = {guard for case in CASES for guard in case.guards}
    assert controlled | set(NO_LIVE_TRAP) == set(GUARDS)
    assert controlled & set(NO_LIVE_TRAP) == set()
    assert all(isinstance(case, Case) and case.kind in KINDS for case in CASES)
