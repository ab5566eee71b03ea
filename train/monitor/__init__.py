"""`gdp monitor`: how a run goes, from its folder alone. Imports no torch, and writes nothing into the run."""
