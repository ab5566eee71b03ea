"""What a run leaves: the adapter, its card and its proof, the curve; and `gdp merge`."""
