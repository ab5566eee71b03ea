"""A screenshot with where the recording and the prediction point, and what was answered below it."""

import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.actions import Point
from pipeline.screens.images import decode
from train.encoding.source import Source
from train.metrics import Case, Verdict

TRUE, WRONG, INK, PAPER = (20, 140, 60), (200, 40, 40), (30, 30, 30), (250, 250, 248)
LONGEST_SIDE = 1000
"""Pixels of a picture at most; larger screenshots are scaled down."""
NARROWEST = 480
LINES = 14
FONTS = ("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "PingFang.ttc", "msyh.ttc")
"""Fonts with Chinese that systems have; Pillow's own, which has none, where none of them is there."""


def save(path: Path, source: Source, case: Case, verdict: Verdict, response: str) -> None:
    """Write the picture of one answer as PNG: green is the recorded target, red the prediction; needs a screenshot."""
    assert case.image is not None
    screen = decode(source.image(case.image))
    scale = min(1.0, LONGEST_SIDE / max(screen.size))
    if scale < 1:
        screen = screen.resize((round(screen.width * scale), round(screen.height * scale)), Image.Resampling.LANCZOS)
    width = max(screen.width, NARROWEST)
    lines = _caption(case, verdict, response, width // 8)
    font = _font()
    picture = Image.new("RGB", (width, screen.height + 20 * len(lines) + 20), PAPER)
    picture.paste(screen, (0, 0))
    draw = ImageDraw.Draw(picture)
    _marks(draw, case, verdict, screen.size)
    for number, (line, colour) in enumerate(lines):
        draw.text((10, screen.height + 10 + 20 * number), line, fill=colour, font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, format="PNG")


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, 15)
        except OSError:
            continue
    return ImageFont.load_default(15)


def _marks(draw: ImageDraw.ImageDraw, case: Case, verdict: Verdict, size: tuple[int, int]) -> None:
    width, height = size
    for move, screen in zip(case.truth.moves, case.truth.screens, strict=True):
        if screen.box is not None and move.point is not None:
            x1, y1, x2, y2 = screen.box
            draw.rectangle((x1 * width, y1 * height, x2 * width, y2 * height), outline=TRUE, width=3)
        if move.point is not None:
            _cross(draw, move.point, size, TRUE)
    if verdict.point is not None:
        _cross(draw, verdict.point, size, WRONG)


def _cross(draw: ImageDraw.ImageDraw, point: Point, size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    x, y, arm = point[0] * size[0], point[1] * size[1], 12
    for ink, thick in (((255, 255, 255), 7), (colour, 3)):
        draw.line((x - arm, y, x + arm, y), fill=ink, width=thick)
        draw.line((x, y - arm, x, y + arm), fill=ink, width=thick)
    draw.ellipse((x - arm, y - arm, x + arm, y + arm), outline=colour, width=2)


def _caption(case: Case, verdict: Verdict, response: str, width: int) -> list[tuple[str, tuple[int, int, int]]]:
    """Return the lines below the screenshot, each with its colour."""
    said = " ".join(response.split()) or "(nothing)"
    texts = [
        (case.sample_id, INK),
        (f"recorded: {_told(case)}", TRUE),
        (f"predicted: {verdict.guess or verdict.problem or 'nothing'}", WRONG if not verdict.step_success else TRUE),
        (said, INK),
    ]
    lines = [(line, colour) for text, colour in texts for line in textwrap.wrap(text, width) or [""]]
    return lines[:LINES]


def _told(case: Case) -> str:
    parts = []
    for move in case.truth.moves:
        point = "" if move.point is None else f" at ({move.point[0]:.3f}, {move.point[1]:.3f})"
        more = " ".join(filter(None, (*move.name, move.text, move.way)))
        parts.append(f"{move.kind}{point} {more}".strip())
    return ", ".join(parts)
