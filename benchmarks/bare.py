"""The least that slicing could cost: read, decode, resize and encode every picture of a folder, and nothing else.

python benchmarks/bare.py pillow|vips PROCESSES FOLDER
"""

import io
import os
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

WIDTH, HEIGHT = 768, 1696


def by_pillow(path: Path) -> int:
    """Return the size of the picture as `gdp slice --image-engine pillow` would store it."""
    from PIL import Image

    with Image.open(path) as picture:
        buffer = io.BytesIO()
        resized = picture.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        resized.save(buffer, "JPEG", quality=95, subsampling=0)
        return len(buffer.getvalue())


def by_vips(path: Path) -> int:
    """Return the size of the picture as libvips makes it from one line of code."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips

    picture = pyvips.Image.new_from_file(str(path), access="sequential")
    resized = picture.resize(WIDTH / picture.width, vscale=HEIGHT / picture.height, kernel="cubic")
    return len(resized.jpegsave_buffer(Q=95, subsample_mode="off", keep="none"))


LOOPS: dict[str, Callable[[Path], int]] = {"pillow": by_pillow, "vips": by_vips}


def main() -> None:
    """Run the loop."""
    loop, processes = LOOPS[sys.argv[1]], int(sys.argv[2])
    paths = sorted(path for path in Path(sys.argv[3]).rglob("*.*") if path.suffix in {".png", ".jpeg"})
    if processes == 1:
        total = sum(map(loop, paths))
    else:
        with get_context("spawn").Pool(processes) as pool:
            total = sum(pool.imap_unordered(loop, paths, chunksize=8))
    print(len(paths), total)


if __name__ == "__main__":
    main()
