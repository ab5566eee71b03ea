"""Defects planted into clean data, to see whether `gdp validate` finds them."""
