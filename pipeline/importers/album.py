"""The pictures of one episode: named by their order, their real size looked up, turned upright where EXIF says so.

A picture that is missing or broken costs its step, and all after it, only where the source does not say how large the
screen was: where it does, the step stays as history, and `gdp slice` refuses what would show the picture.
"""

import hashlib
import io
from collections import Counter
from functools import partial

from PIL import Image

from pipeline.records import Screenshot
from pipeline.screens import images
from pipeline.screens.images import MAX_PIXELS, ImageProblem

from .folder import SourceFolder
from .refusal import Refusal, Refused

_SUFFIX = {"png": "png", "jpeg": "jpg", "webp": "webp"}


class Album:
    """Collects the pictures that the record `file` names, below one of `folders`; an equal one is stored once.

    `by_name` and `anywhere`: see `SourceFolder.locate`.
    """

    def __init__(
        self, source: SourceFolder, file: str, *folders: str, by_name: bool = False, anywhere: bool = False
    ) -> None:
        self.file = file
        self.pictures: dict[str, bytes] = {}
        """File name to bytes."""
        self.notes: Counter[str] = Counter()
        """What was mended."""
        self.refusals: list[Refusal] = []
        """Screenshots that are missing or broken, of steps that are kept."""
        self._source = source
        self._locate = partial(source.locate, by_name=by_name, anywhere=anywhere)
        self._folders = folders or ("",)
        self._known: dict[str, Screenshot] = {}

    def find(
        self, path: str, record: str, *, recorded: tuple[int, int] | None = None, marked: bool = False
    ) -> Screenshot:
        """Take the picture that the record names by its path; `recorded` is its size, if the source states it.

        Raises Refused where there is none and its size is unknown.
        """
        try:
            return self.add(self._source.picture(self._locate(path, *self._folders)), marked=marked)
        except Refused as refused:
            return self.without(refused, record, recorded)

    def without(self, refused: Refused, record: str, recorded: tuple[int, int] | None) -> Screenshot:
        """Note that a picture is missing; raises `refused` where its size is unknown."""
        if recorded is None or min(recorded) < 1:
            raise refused
        self.refusals.append(refused.at("screenshot", self.file, record))
        return Screenshot(f"missing-{len(self.refusals)}.png", *recorded)

    def add(self, data: bytes, *, marked: bool = False) -> Screenshot:
        """Take a picture as it is, upright; raises Refused where it is none."""
        try:
            header = images.header(data)
            size = (header.width, header.height)
            if not header.plain and not images.is_upright(data):
                picture = images.decode(data)
                data, size, form = _png(picture), picture.size, "png"
                self.notes["screenshot turned upright"] += 1
            else:
                form = header.format
        except ImageProblem as problem:
            raise Refused.of(problem) from None
        return self._stored(data, size, form, marked)

    def add_pixels(
        self, data: bytes, width: int, height: int, *, mode: str = "RGB", marked: bool = False
    ) -> Screenshot:
        """Take raw pixels, row by row, and store them as PNG; raises Refused where their number is wrong."""
        channels = len(mode)
        if width < 1 or height < 1 or width * height > MAX_PIXELS:
            raise Refused("image_too_large", f"{width}x{height}", f"from 1 to {MAX_PIXELS} pixels")
        if len(data) != width * height * channels:
            raise Refused("image_broken", f"{len(data)} bytes of pixels", f"{width * height * channels}")
        picture = Image.frombytes(mode, (width, height), data)
        self.notes["screenshot encoded as PNG"] += 1
        return self._stored(_png(picture), (width, height), "png", marked)

    def _stored(self, data: bytes, size: tuple[int, int], form: str, marked: bool) -> Screenshot:
        sha256 = hashlib.sha256(data).hexdigest()
        key = f"{sha256} {marked}"
        if key not in self._known:
            name = f"{len(self.pictures):03d}.{_SUFFIX[form]}"
            self.pictures[name] = data
            self._known[key] = Screenshot(name, *size, sha256=sha256, mime=f"image/{form}", marked=marked)
        return self._known[key]


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
