"""Does error correction teach recovery? Recorded, trained and acted out in the project's own app; `make learn`."""
