"""What `gdp slice` is made of: what a sample shows, how trajectories are split, what a sample costs in tokens."""
