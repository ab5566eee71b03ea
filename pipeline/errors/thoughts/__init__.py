"""What the agent thinks when it errs and when it notices: observe, diagnose, act; in the goal's language.

Each cell has eight wordings or more in each language, chosen by seed; each names the evidence on the screen and the
target, none a coordinate. A cell's name is the kind's and the turn's: `_wrong` and `_again` are slips (no loss),
`_right` repairs on the same screen, `_escape` leaves a wrong page and `_retry` follows it. `_plain` is the same without
the name of the target, for a target that has none.

Slots: `wrong` and `target` are names on the screen, `text` is what was typed, `close` the control that closes a popup,
`way` the direction that the content was (or, in `undo_scroll_right`, is to be) scrolled, `slip` the sentence of a
recorded mistake.
"""

from pipeline import seeds
from pipeline.describe import direction, quoted
from pipeline.errors.thoughts import endings, fields, pages, presses, recorded, scrolling, taps
from pipeline.records import Lang

Wordings = dict[Lang, tuple[str, ...]]

CELLS: dict[str, Wordings] = {
    **taps.CELLS,
    **fields.CELLS,
    **scrolling.CELLS,
    **endings.CELLS,
    **recorded.CELLS,
    **pages.CELLS,
    **presses.CELLS,
}

LONGEST_TEXT = 60
"""Characters of a typed text that a thought repeats; a thought that recites a letter names nothing."""


def say(cell: str, lang: Lang, *draw: object, **names: str | None) -> str:
    """Return one wording of the cell with the names on the screen quoted in it.

    A target of None takes the cell's `_plain` wordings. Raises KeyError for an unknown cell or a missing slot.
    """
    if names.get("target", "") is None:
        cell = f"{cell}_plain"
    wording = seeds.pick(CELLS[cell][lang], *draw, cell)
    return wording.format(**{slot: _filled(slot, name, lang) for slot, name in names.items() if name is not None})


def _filled(slot: str, name: str, lang: Lang) -> str:
    match slot:
        case "slip":
            return name
        case "way":
            return direction(name, lang)
        case "text" if len(name) > LONGEST_TEXT:
            return quoted(f"{name[: LONGEST_TEXT - 1]}…", lang)
        case _:
            return quoted(" ".join(name.split()), lang)
