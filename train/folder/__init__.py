"""The folder of a run: taken, resumed from its checkpoints, shared by several processes, complete at the end."""
