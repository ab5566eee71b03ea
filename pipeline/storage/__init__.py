"""Datasets as folders of Parquet shards: written whole or not at all, resumed, read fast."""
