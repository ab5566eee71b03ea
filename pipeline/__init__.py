"""From recorded GUI-agent trajectories to validated multi-turn training samples; never imports torch."""
