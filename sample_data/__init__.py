"""The sample app, the scripts that drive it, and the trajectories recorded from it."""
