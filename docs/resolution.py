"""The tables of docs/resolution.md: what screenshots cost at each limit, and what of them is left to see."""

from functools import cache
from statistics import pstdev

from PIL import Image, ImageDraw

from pipeline.screens.geometry import model_size
from pipeline.screens.resolution import IMAGE_TOKENS

FAMILIES = {"Qwen3-VL, MAI-UI": (32, 65_536, 16_777_216), "Qwen2.5-VL": (28, 3_136, 12_845_056)}
"""Factor, least and largest area in pixels, as the checkpoints' own processors have them."""

SCREENS = {
    "phone": (1080, 2400),
    "phone, high density": (1440, 3120),
    "tablet": (1600, 2560),
    "laptop": (1920, 1080),
    "4K desktop": (3840, 2160),
}

LIMITS: dict[str, tuple[int | None, int | None]] = {
    "the processor's own": (None, None),
    f"default, {IMAGE_TOKENS} tokens": (IMAGE_TOKENS, None),
    "`--max-dim 1024`": (None, 1024),
    "`--max-dim 768`": (None, 768),
    "`--max-dim 520`": (None, 520),
}
"""Tokens and long side at most."""

DENSITY = {"phone": 2.625, "phone, high density": 3.5, "laptop": 1.0, "4K desktop": 2.0}
"""Pixels to a dp (a CSS pixel on a desktop), as such screens usually have them."""

STROKES = 10
"""A letter's finest strokes and gaps to its font size: five in the x-height, which is half of it."""


def tokens() -> str:
    """Return the table of sizes and tokens."""
    head = ["screen", "family", *LIMITS]
    rows = [
        [f"{screen}, {width}×{height}", family, *(_cost(screen, family, limit) for limit in LIMITS)]
        for screen, (width, height) in SCREENS.items()
        for family in FAMILIES
    ]
    return _table(head, rows)


def details() -> str:
    """Return the table of what can still be told apart."""
    head = ["screen", "limit", "stored at", "readable text", "24 dp icon", "48 dp button"]
    rows = []
    for screen, density in DENSITY.items():
        for limit in LIMITS:
            scale = _scale(screen, limit)
            text = finest_stroke(round(scale, 3)) * STROKES / density
            sizes = (f"{size * density * scale:.0f} px" for size in (24, 48))
            rows.append([screen, limit, f"{scale:.0%}", f"from {text:.0f} dp", *sizes])
    return _table(head, rows)


def size(screen: str, family: str, limit: str) -> tuple[int, int]:
    """Return the stored size of a screen."""
    factor, least, largest = FAMILIES[family]
    most, long = LIMITS[limit]
    area = largest if most is None else most * factor**2
    return model_size(*SCREENS[screen], factor=factor, min_pixels=least, max_pixels=area, max_dim=long)


@cache
def finest_stroke(scale: float) -> float:
    """Return the narrowest stroke, in pixels of the screen, that keeps half its contrast beside gaps as wide.

    Found by drawing such strokes and scaling them as the image engines do.
    """
    return next(quarters / 4 for quarters in range(2, 100) if _contrast(quarters, scale) >= 0.5)


def _contrast(quarters: int, scale: float) -> float:
    """Return the share of contrast that strokes of that many quarters of a pixel keep."""
    length = 240
    fine = Image.new("L", (4 * length, 16), 255)
    pen = ImageDraw.Draw(fine)
    for left in range(0, 4 * length, 2 * quarters):
        pen.rectangle((left, 0, left + quarters - 1, 16), fill=0)
    drawn = fine.reduce(4)
    scaled = drawn.resize((max(1, round(length * scale)), 4), Image.Resampling.BICUBIC)
    return _spread(scaled) / _spread(fine)


def _spread(picture: Image.Image) -> float:
    margin = picture.width // 10
    return pstdev(picture.crop((margin, 0, picture.width - margin, 1)).tobytes())


def _cost(screen: str, family: str, limit: str) -> str:
    width, height = size(screen, family, limit)
    return f"{width}×{height}: {width * height // FAMILIES[family][0] ** 2:,}"


def _scale(screen: str, limit: str) -> float:
    width, height = size(screen, "Qwen3-VL, MAI-UI", limit)
    return min(1.0, width / SCREENS[screen][0], height / SCREENS[screen][1])


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(tokens())  # noqa: T201
    print(details())  # noqa: T201
