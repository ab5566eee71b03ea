"""Screenshots as they were recorded, for comparison: the dataset keeps only their names and sizes."""

import msgspec

from pipeline.screens.images import ImageProblem, decode, header, read
from pipeline.storage.place import Place

from .present import Presenter


class Originals:
    """The recorded screenshots below a folder of trajectories."""

    def __init__(self, folder: Place) -> None:
        self._folder = folder

    def find(self, presenter: Presenter, trajectory_id: str, step_index: int) -> tuple[bytes, str] | None:
        """Return the bytes and the media type of a step's screenshot; None where it is not there or no picture."""
        entries = presenter.catalogue.of_trajectory(trajectory_id)
        step = presenter.step(trajectory_id, step_index)
        if step is None or not entries:
            return None
        row = presenter.dataset.pick("samples", entries[0].shard, [entries[0].row], ["provenance"])[0]
        document = msgspec.json.decode(row["provenance"]).get("file", "").split(":")[0]
        folder = document.rpartition("/")[0]
        try:
            data = read(self._folder, folder, step.observation.image.path)
            decode(data)
            return data, f"image/{header(data).format}"
        except ImageProblem:
            return None
