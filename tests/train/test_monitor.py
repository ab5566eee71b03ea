"""`gdp monitor`: what it says of runs under way, finished, failed, interrupted, half written; its page in Chromium."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pages import CHROMIUM, FLAGS

from pipeline.cli import main
from pipeline.storage.lock import locked
from pipeline.storage.place import Place
from train.config import TrainConfig
from train.folder import rundir
from train.monitor import picture, plot
from train.monitor.state import State
from train.report import TrainReport
from train.watching.guards import GuardConfig

Demo = tuple[Path, TrainReport]
HOSTILE = "</title><script>document.title='owned'</script>\x1b[2J"


def monitor(*options: str) -> Result:
    """Run the command; stdout is no terminal."""
    return CliRunner().invoke(main, ["monitor", *options])


def write(folder: Path, lines: list[dict[str, Any]], tail: str = "", model: str = "models/some") -> Path:
    """Write a run that has come so far."""
    folder.mkdir(exist_ok=True)
    identity = {"model": model, "config": TrainConfig(guards=GuardConfig(grad_norm="off")).to_dict()}
    (folder / rundir.MARKER).write_text(json.dumps(identity))
    (folder / rundir.LOG).write_text("".join(f"{json.dumps(line)}\n" for line in lines) + tail)
    return folder


BEGIN = {"step": 0, "event": "begin", "steps": 40, "warmup_steps": 0, "uniform_loss": 7.0}


def train_line(step: int, loss: float, **more: Any) -> dict[str, Any]:
    """Return the line of five steps of equal loss, two seconds a step after ten of preparation."""
    timing = {"elapsed": 10.0 + 2 * step, "samples_per_second": 3.0, "tokens_per_second": 900.0, "data_wait": 0.5}
    steps = {"losses": [loss] * 5, "grad_norms": [50.0] * 5}
    return {"step": step, "loss": loss, "learning_rate": 1e-4, **steps, "timing": timing, **more}


def test_a_finished_run(demo_run: Demo) -> None:
    """It ends at once, in a pipe too; all guards are content, as they were in the run; nothing is written there."""
    before = sorted(demo_run[0].rglob("*"))
    done = monitor(str(demo_run[0]))
    assert done.exit_code == 0
    assert f"{demo_run[0]}: finished, step 14 of 14\n" in done.stdout
    assert f"best {demo_run[1].losses.eval_best:.4f} (step {demo_run[1].losses.best_step})" in done.stdout
    assert done.stdout.count("\nok   ") == 7
    assert "\x1b" not in done.stdout
    assert sorted(demo_run[0].rglob("*")) == before


def test_a_run_under_way_has_a_time_left(tmp_path: Path) -> None:
    """As long as its process holds the lock; the last line may be half written. A guard that is off says so."""
    run = write(tmp_path / "run", [BEGIN, train_line(5, 3.0), train_line(10, 2.5)], '{"step": 15, "lo')
    with locked(Place(str(run)), rundir.LOCK):
        state = State.of(run)
        assert (state.status, state.step, state.steps) == ("running", 10, 40)
        left = state.seconds_left()
        assert left is not None
        assert left == pytest.approx(60 - state.age)
        done = monitor(str(run), "--once")
    assert done.exit_code == 0
    assert "running, step 10 of 40, about" in done.stdout
    assert "\noff  grad_norm" in done.stdout
    assert "50% of the time" in done.stdout


def timed(step: int, elapsed: float, **timing: float) -> dict[str, Any]:
    """Return the line of a step with other times."""
    line = train_line(step, 3.0)
    return {**line, "timing": {**line["timing"], "elapsed": elapsed, **timing}}


def test_a_run_that_goes_on_is_timed_by_each_start(tmp_path: Path) -> None:
    """`elapsed` counts from the newest start: the pace is that start's, and all of them together are the time."""
    run = write(tmp_path / "run", [BEGIN, timed(5, 100), timed(10, 200), BEGIN, timed(15, 10)])
    with locked(Place(str(run)), rundir.LOCK):
        state = State.of(run)
        assert state.seconds() == 210
        assert state.seconds_left() == pytest.approx(2 * 25 - state.age)
        write(run, [BEGIN, timed(5, 100), timed(10, 200), BEGIN, timed(15, 10), timed(20, 15)])
        state = State.of(run)
        assert state.seconds() == 215
        assert state.seconds_left() == pytest.approx(1 * 20 - state.age)


def test_times_below_zero_are_no_times(tmp_path: Path) -> None:
    """What a clock that was set back wrote is left out; the losses beside it are not."""
    rates = {"samples_per_second": -3.0, "tokens_per_second": -900.0, "data_wait": -0.5, "process_peak_memory": -1e9}
    run = write(tmp_path / "run", [BEGIN, timed(5, 20), timed(10, -3700, **rates)])
    with locked(Place(str(run)), rundir.LOCK):
        shown = monitor(str(run), "--once").stdout
        assert monitor(str(run), "--html", str(tmp_path / "page.html")).exit_code == 0
    assert "running, step 10 of 40, about 2 min" in shown
    assert "running for     20 s" in shown
    assert not re.search(r"(?<!\w)-\d", shown)
    assert not re.search(r">-\d", (tmp_path / "page.html").read_text())
    assert State.of(run).each_step("losses")[-1] == (10, 3.0)


def test_an_interrupted_run_is_told_from_one_under_way(tmp_path: Path) -> None:
    """The lock of a dead process holds nothing."""
    run = write(tmp_path / "run", [BEGIN, train_line(5, 3.0)])
    assert State.of(run).status == "interrupted"
    assert State.of(run).seconds_left() is None
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    holder = {"host": os.uname().nodename, "pid": dead.pid, "started": "1", "token": "x"}
    (run / rundir.LOCK).write_text(json.dumps(holder))
    assert State.of(run).status == "interrupted"
    (run / rundir.LOG).unlink()
    assert "no loss yet" in monitor(str(run)).stdout


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    """Exit code 1, the guard, what it found, what to try; a verdict that the log alone does not show is shown, too."""
    stop = {"step": 5, "event": "stop", "guard": "non_finite", "message": "the loss is nan", "hint": "lower it"}
    run = write(tmp_path / "run", [BEGIN, {"step": 5, "losses": [3.0, None], "grad_norms": [1.0, None]}, stop])
    done = monitor(str(run))
    assert done.exit_code == 1
    assert "failed, step 5 of 40" in done.stdout
    assert "\nSTOP non_finite   the loss is nan\n" in done.stdout
    assert done.stdout.endswith("hint: lower it\n")


@pytest.mark.parametrize("exists", [True, False])
def test_what_is_no_run_is_one_line(tmp_path: Path, exists: bool) -> None:
    """A folder of something else, or none."""
    folder = tmp_path / "other"
    if exists:
        folder.mkdir()
    done = monitor(str(folder))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == f"{folder}: found no run there, expected the folder of one"
    assert done.stdout == ""


def test_garbage_in_the_log_is_passed_over(tmp_path: Path) -> None:
    """Lines that are no measurements say nothing and break nothing."""
    run = write(tmp_path / "run", [BEGIN, train_line(5, 3.0)], '7\n"x"\n{"step": "a"}\n\xff\n[]\n{"step": 6, "lo')
    assert State.of(run).step == 5
    done = monitor(str(run))
    assert done.exit_code == 0
    assert "log             5 damaged lines passed over" in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 6, "loss": 1, "losses": [NaN]}',
        '{"step": 6, "eval_loss": Infinity}',
        '{"step": 6, "losses": [1e308, -1e308]}',
        '{"step": 6, "loss": 1, "learning_rate": 1e308}\n{"step": 7, "loss": 1, "learning_rate": -1e308}',
        '{"step": 1e400, "loss": 1}',
        '{"step": -1, "loss": 1}',
        '{"step": 99999999999999999999, "loss": 1}',
        '{"step": 6, "event": "stop", "message": "m", "hint": 3}',
        '{"step": 6, "event": "begin", "steps": -1, "warmup_steps": 0, "uniform_loss": null}',
    ],
)
def test_numbers_that_no_run_writes_are_passed_over(tmp_path: Path, line: str) -> None:
    """What cannot be drawn breaks neither the curves nor the page."""
    run = write(tmp_path / "run", [BEGIN, train_line(5, 3.0)], f"{line}\n")
    assert monitor(str(run)).exit_code == 0
    assert monitor(str(run), "--html", str(tmp_path / "page.html")).exit_code == 0


def test_text_of_the_run_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters are drawn as pictures of themselves."""
    run = write(tmp_path / "run", [BEGIN, train_line(5, 3.0)], model=HOSTILE)
    assert "\x1b" not in picture.draw(State.of(run), 80, colour=False)


def test_it_needs_no_torch(tmp_path: Path) -> None:
    """The light install can look at a run that was trained elsewhere."""
    run = write(tmp_path / "run", [BEGIN, train_line(5, 3.0)])
    code = "import sys; from train.monitor import follow; from pathlib import Path;"
    code += "follow.run(Path(sys.argv[1]), once=True, html=None, show=print); print({'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_the_page_is_not_written_into_the_run(tmp_path: Path) -> None:
    """Else the run's own folder would hold what is not its own."""
    run = write(tmp_path / "run", [BEGIN])
    done = monitor(str(run), "--html", str(run / "page.html"))
    assert done.exit_code == 2
    assert not (run / "page.html").exists()


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A folder in the place of the file, a file in the place of the folder."""
    run, file = write(tmp_path / "run", [BEGIN]), tmp_path / "file"
    file.touch()
    done = monitor(str(run), "--html", str(tmp_path))
    assert (done.exit_code, done.stdout) == (1, "")
    hint = f"hint: --html {tmp_path / 'run.html'}"
    assert done.stderr == f"{tmp_path}: found a folder, expected a file's name\n{hint}\n"
    done = monitor(str(run), "--html", str(file / "page.html"))
    why = "found no way to write there (a folder above it is a file), expected one"
    assert done.stderr == f"{file / 'page.html'}: {why}\n"


@pytest.mark.parametrize(("low", "high"), [(0, 3.13), (0, 1e-4), (7306, 8648), (5, 5), (-1, 1), (0.3, 0.31)])
def test_an_axis_holds_its_values_in_a_few_round_numbers(low: float, high: float) -> None:
    """No more than six lines, the outermost outside of the values."""
    ticks = plot.axis(low, high)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] <= low + 1e-12
    assert ticks[-1] >= high * 0.99999


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="Playwright is not installed")
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    """Four curves, no request, no script of the data's, no sideways scrolling on a phone, dark where that is wanted."""
    from playwright.sync_api import sync_playwright

    lines = [{"step": 0, "eval_loss": 3.2}, BEGIN, train_line(5, 3.0), train_line(10, 2.0)]
    stop = {"step": 10, "event": "stop", "guard": "divergence", "message": HOSTILE * 5, "hint": HOSTILE}
    run = write(tmp_path / "run", [*lines, stop], model=HOSTILE)
    file = tmp_path / "page.html"
    done = monitor(str(run), "--html", str(file), "--once")
    assert (done.exit_code, done.output) == (1, f"{file}\n"), "where the page is, and nothing else"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        seen = []
        for width, scheme in ((1280, "light"), (390, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, asked=asked: asked.append(message.text))
            page.goto(file.as_uri())
            assert asked == [file.as_uri()]
            assert page.title() == "run"
            assert page.locator("svg").count() == 4
            assert page.locator("section.alert").inner_text().startswith("Stopped by divergence")
            assert page.evaluate("document.documentElement.scrollWidth") == width
            seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        browser.close()
    assert seen[0] != seen[1]
    assert "http" not in file.read_text().replace("http-equiv", "")
