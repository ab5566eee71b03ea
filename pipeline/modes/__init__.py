"""How a trajectory is cut into samples: each mode is a module here and a line in `MODES`."""

from pipeline.modes import step, subtask, window
from pipeline.modes.mode import Cut, Recording, Refused

MODES: dict[str, Cut] = {"step": step.cut, "window": window.cut, "subtask": subtask.cut}

__all__ = ["MODES", "Cut", "Recording", "Refused"]
