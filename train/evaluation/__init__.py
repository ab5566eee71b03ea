"""How good a model answers: `gdp evaluate`, and the same while it is trained."""
