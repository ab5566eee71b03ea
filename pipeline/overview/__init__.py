"""A dataset at a glance: what is in it, what was found wrong, how it differs from another (`gdp validate --report`)."""
