"""The same job with Hugging Face `datasets.map`, as its users write it: each sample decodes the screenshots it shows.

The result is a Parquet file, as it is for `gdp slice`.

python benchmarks/with_datasets.py HISTORY PROCESSES FOLDER CACHE
"""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
from PIL import Image

WIDTH, HEIGHT = 768, 1696


def samples(folder: Path, history: int) -> Iterator[dict[str, Any]]:
    """Yield a sample for each step: messages, and the paths of the last screenshots."""
    for path in sorted(folder.rglob("trajectory.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        steps = document["steps"]
        for index, step in enumerate(steps):
            said = [each["text"]["thought"] + json.dumps(each["actions"][0]) for each in steps[: index + 1]]
            shown = [str(path.parent / each["observation"]["image"]["path"]) for each in steps[: index + 1]]
            yield {"id": f"{document['trajectory_id']}/{step['index']}", "messages": [document["goal"], *said],
                   "paths": shown[-history:]}  # fmt: skip


def prepare(row: dict[str, Any]) -> dict[str, Any]:
    """Return the sample with its pictures at the model's size."""
    images = []
    for path in row["paths"]:
        with Image.open(path) as picture:
            buffer = io.BytesIO()
            resized = picture.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            resized.save(buffer, "JPEG", quality=95, subsampling=0)
            images.append({"bytes": buffer.getvalue(), "path": None})
    return {"images": images}


def main() -> None:
    """Run the map."""
    history, processes, folder, cache = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_list(list(samples(folder, history)))
    done = rows.map(prepare, num_proc=processes, cache_file_name=f"{cache}/mapped.arrow")
    print(done.to_parquet(f"{cache}/mapped.parquet"))


if __name__ == "__main__":
    main()
