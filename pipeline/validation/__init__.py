"""What `gdp validate` does beside asking `pipeline.checks`: what it reads first, hides, writes and tells."""
