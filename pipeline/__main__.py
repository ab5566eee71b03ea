"""`python -m pipeline` is `gdp`."""

from .cli import main

main(prog_name="gdp")
