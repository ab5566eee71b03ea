"""Look at a dataset: `catalogue` finds samples, `present` says what is on a page, `server` and `export` deliver it."""
