"""The scripts of the sample trajectories: what the agent is asked, sees, thinks and does, step by step."""

from . import desktop, drive_en, drive_zh, mistakes_en, mistakes_zh, notes
from .script import Script

SCRIPTS: tuple[Script, ...] = (
    *drive_en.SCRIPTS,
    *mistakes_en.SCRIPTS,
    *drive_zh.SCRIPTS,
    *mistakes_zh.SCRIPTS,
    *notes.SCRIPTS,
    *desktop.SCRIPTS,
)
"""All trajectories, in the order in which they are recorded."""
