"""What `gdp augment-errors` and `gdp augment-variants` are made of: where a sample can be changed, and how."""
