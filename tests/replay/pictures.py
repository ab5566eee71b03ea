"""Draws a claim for docs/errors.md: each screen with what is done on it, mistakes in red, repairs in green."""

from pathlib import Path

from claims import Claim
from PIL import Image, ImageDraw, ImageFont

from pipeline.actions import Action, Click, LongPress, Scroll

WIDTH, GAP, HEAD = 216, 14, 44
INK, PAPER = "#1c2430", "#f4f5f7"
COLOURS = {"error": "#d0203c", "recovery": "#12833c", "normal": "#5a6577", "padding": "#5a6577"}


def draw(claim: Claim) -> Image.Image:
    """Return the screens from the one before the error to the one after the correction, side by side."""
    panels = []
    for item in claim.shown[claim.tail :]:
        screen = item.screens[0] if item.screens else claim.recording.screen(item.turn.step_index)
        colour = COLOURS[item.turn.role]
        panels.append(_panel(screen, item.turn.instruction or "", colour, item.actions[0]))
    panels.append(_panel(claim.after, "and on as recorded", COLOURS["normal"], None))
    whole = Image.new("RGB", (GAP + len(panels) * (WIDTH + GAP), panels[0].height + GAP), PAPER)
    for number, panel in enumerate(panels):
        whole.paste(panel, (GAP + number * (WIDTH + GAP), 0))
    return whole


def save(claim: Claim, path: Path) -> None:
    """Write the picture as WebP."""
    draw(claim).save(path, "WEBP", quality=72, method=6)


def _panel(screen: Path, caption: str, colour: str, action: Action | None) -> Image.Image:
    with Image.open(screen) as opened:
        picture = opened.convert("RGB")
    pen = ImageDraw.Draw(picture)
    if action is not None:
        _mark(pen, picture.size, action, colour)
    height = round(picture.height * WIDTH / picture.width)
    panel = Image.new("RGB", (WIDTH, height + HEAD), PAPER)
    panel.paste(picture.resize((WIDTH, height), Image.Resampling.LANCZOS), (0, HEAD))
    pen = ImageDraw.Draw(panel)
    pen.rectangle((0, HEAD, WIDTH - 1, HEAD + height - 1), outline=colour, width=2)
    text = caption.replace("“", '"').replace("”", '"')
    font = ImageFont.load_default(13)
    while text and pen.textlength(text, font) > WIDTH:
        text = text[:-2] + "…" if not text.endswith("…") else text[:-2].rstrip("…") + "…"
    pen.text((0, HEAD / 2), text, fill=colour, font=font, anchor="lm")
    return panel


def _mark(pen: ImageDraw.ImageDraw, size: tuple[int, int], action: Action, colour: str) -> None:
    width, height = size
    unit = width / 384
    match action:
        case Click(point=point) | LongPress(point=point) if point is not None:
            x, y, ring = point[0] * width, point[1] * height, 22 * unit
            pen.ellipse((x - ring, y - ring, x + ring, y + ring), outline=colour, width=round(5 * unit))
            if isinstance(action, LongPress):
                ring *= 1.6
                pen.ellipse((x - ring, y - ring, x + ring, y + ring), outline=colour, width=round(2 * unit))
        case Scroll():
            x, y = (action.point or (0.5, 0.5))[0] * width, (action.point or (0.5, 0.5))[1] * height
            length, tip = 90 * unit, 16 * unit
            down = (action.dy or 0) > 0 or action.direction == "down"
            end = y + length if down else y - length  # where the content that comes into view is
            pen.line((x, y, x, end), fill=colour, width=round(6 * unit))
            back = end - tip if down else end + tip
            pen.polygon([(x, end + (tip if down else -tip)), (x - tip, back), (x + tip, back)], fill=colour)
        case _:
            pass  # keys and waiting have no place; the caption names them
