"""From recorded GUI-agent trajectories to validated multi-turn training samples; never imports torch."""

__version__ = "0.1.0"
