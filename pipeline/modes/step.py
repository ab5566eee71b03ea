"""`step`: a sample for each decision, with the history that the agent would have."""

from collections.abc import Iterator

from pipeline.records import Sample

from .mode import Recording, Refused


def cut(recording: Recording) -> Iterator[Sample | Refused]:
    """Yield a sample or a refusal for each decision, in order."""
    for index in range(len(recording.steps)):
        yield recording.decision(index, recording.subject)
