"""SIGTERM to the whole process group of `gdp train`: one line and 130, workers or not, whatever it interrupts."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]
TOLD = "stopped; the same command goes on from here"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_workers_leave_a_signal_to_the_run(dataset_folder: Path, tmp_path: Path) -> None:
    """They get it first, as in a group they may; the run goes on until it gets its own, and ends with one line."""
    config = tmp_path / "config.yaml"
    config.write_text("training: {sft: {dataloader_num_workers: 2, gradient_accumulation_steps: 1}}")
    out = tmp_path / "run"
    line = [*COMMAND, "train", str(dataset_folder), "-o", str(out), "--config", str(config), "--max-steps", "500", "-q"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:

        def wait_for(words: str) -> str:
            while words not in (text := log.read_text() if (log := out / "training_log.jsonl").exists() else ""):
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                time.sleep(0.05)
            return text

        seen = wait_for('"losses"')
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(workers) >= 2
        for worker in workers:
            os.kill(int(worker), signal.SIGTERM)
        more = f'"step": {5 * (seen.count(chr(34) + "losses") + 1)}, "loss"'
        wait_for(more)
        os.killpg(process.pid, signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, f"{TOLD}\n")


def test_an_interrupt_within_exec_ends_with_130(tmp_path: Path) -> None:
    """As it may while libraries are imported; Python itself would then die of SIGINT, whatever the exit code."""
    code = "from pipeline.cli import main\n@main.command()\ndef x():\n    exec('raise KeyboardInterrupt')\nmain(['x'])"
    (tmp_path / "interrupted.py").write_text(code)
    path = os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2])))
    line = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (130, f"{TOLD}\n")
