"""Screenshots and what is on them: sizes, grids, pixels told apart, states of an app."""
