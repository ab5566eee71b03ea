"""Rules by name: our own, and those that published numbers were made with.

A preset groups moves into its types, and says for each type which parts have to match, and how. Types that a benchmark
does not know keep their own kind and our own rule. What a recorded dataset cannot say is said in `docs/evaluation.md`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.exceptions import ConfigError
from pipeline.screens.geometry import contains

from . import aim
from .aim import Screen
from .move import Move, main_way
from .text import normalized, ratio, similarity, within

Rule = Callable[[Move, Move, Screen], bool]
"""From the truth, the prediction and the screen to whether they match."""

FACETS = ("grounding", "end", "text", "direction", "arguments")
"""What of a step may have to match beside its type."""

POINTING = ("click", "double_click", "triple_click", "right_click", "middle_click", "long_press", "hover")
SPOKEN = ("answer", "ask_user", "takeover", "memorize")
"""Texts for people, for which there is more than one good wording."""

NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(POINTING, ("grounding", "arguments")),
    **dict.fromkeys(("type", "select_option"), ("text", "arguments", "grounding")),
    **dict.fromkeys(("open_app", "open_url", "copy", *SPOKEN), ("text",)),
    "drag": ("grounding", "end"),
    "select_text": ("grounding", "end"),
    "scroll": ("direction",),
    "wait": (),
    "screenshot": (),
}
"""By kind; of any other kind its name has to be equal."""


def close_end(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether both gestures end within 4 % of the long side of each other."""
    if truth.end is None or guess.end is None:
        return truth.end == guess.end
    return aim.apart_in_pixels(truth.end, guess.end, screen.size) <= aim.NEAR


def same_text(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether the texts are one after normalisation; of texts for people, half alike (as in ANLS) is enough."""
    one, other = normalized(truth.text or ""), normalized(guess.text or "")
    return one == other or (truth.kind in SPOKEN and similarity(one, other) >= ANLS)


def same_way(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether the finger moves the same way."""
    return truth.way == guess.way


def same_name(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether keys, buttons, a status, a tool and its arguments are the same."""
    return truth.name == guess.name


ANLS = 0.5

OWN: dict[str, Rule] = {
    "grounding": aim.hit,
    "end": close_end,
    "text": same_text,
    "direction": same_way,
    "arguments": same_name,
}


SPLIT = ("button", "terminate")
"""Kinds of which some benchmarks count each name as a type."""


@dataclass(frozen=True)
class Preset:
    """One way to judge; see the module."""

    meaning: str
    source: str
    types: Mapping[str, str] = field(default_factory=dict)
    """From kinds of moves to the benchmark's types; a kind that is not there is its own type."""
    named: bool = True
    """Whether each button is one type, told apart by its name as an argument, or a type of its own."""
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By type, what has to match; types that are not there follow `NEEDS`."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """By facet, in place of our own."""
    also: Rule | None = None
    """Whether an action of another type does the same."""
    shortest: float = 0.0
    """Share of the screen up to which a gesture counts as a tap."""
    alternatives: bool = False
    """Whether another answer that the recording calls right counts too."""

    def type_of(self, move: Move) -> str:
        """Return the benchmark's type of a move."""
        kind = self.types.get(move.kind, move.kind)
        ends = None if move.point is None or move.end is None else aim.apart(move.point, move.end)
        if self.shortest and ends is not None and ends <= self.shortest:
            return self.types.get("click", "click")
        return f"{kind}:{':'.join(move.name)}" if not self.named and kind in SPLIT else kind

    def facets(self, truth: Move) -> tuple[str, ...]:
        """Return what has to match beside the type."""
        kind = self.type_of(truth)
        if kind in self.needs:
            return self.needs[kind]
        found = NEEDS.get(truth.kind, ("arguments",))
        return tuple(f for f in found if f != "grounding" or truth.point is not None or truth.kind in POINTING)

    def match(self, facet: str, truth: Move, guess: Move, screen: Screen) -> bool:
        """Tell whether one facet matches."""
        return self.rules.get(facet, OWN[facet])(truth, guess, screen)


BACKS = ("back", "go back", "navigate up", "返回")


def same_effect(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether one is a tap on what the other calls: an app's icon and opening it, a Back on the page and Back.

    AndroidControl's paper counts these as equal. Only where the screen's elements are recorded.
    """
    for tap, other in ((truth, guess), (guess, truth)):
        if tap.kind != "click" or tap.point is None:
            continue
        if other.kind == "open_app":
            names: tuple[str, ...] = (other.text or "",)
        elif (other.kind, other.name[:1]) in {("button", ("back",)), ("browser", ("back",))}:
            names = BACKS
        else:
            continue
        if any(contains(e.bbox, tap.point) for e in aim.named_elements(screen.elements, names)):
            return True
    return False


def aitw_tap(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether an annotation box 2.4 times as large holds both taps, or at most 0.14 of the screen lies between."""
    if truth.point is None or guess.point is None:
        return truth.point == guess.point
    boxes = (aim.grown_on_screen(box, 2.4) for box in screen.annotations())
    return aim.shared(boxes, truth.point, guess.point) or aim.apart(truth.point, guess.point) <= TAP


def same_axis(truth: Move, guess: Move, screen: Screen) -> bool:
    """Both gestures along the same axis: the published code compares axes, not directions; of equal ones vertical."""
    return (truth.way in {"left", "right"}) == (guess.way in {"left", "right"})


def aitz_tap(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether a box 1.2 times as large holds both taps, or they are at most 0.14 of the screen apart."""
    if truth.point is None or guess.point is None:
        return truth.point == guess.point
    boxes = (aim.grown_on_screen(box, 1.2) for box in screen.annotations())
    return aim.shared(boxes, truth.point, guess.point) or aim.apart(truth.point, guess.point) <= TAP


def aitz_text(truth: Move, guess: Move, screen: Screen) -> bool:
    """One text within the other, or a Levenshtein ratio above 0.8."""
    one, other = truth.text or "", guess.text or ""
    return within(one, other) or ratio(one, other) > 0.8


def qwen_tap(truth: Move, guess: Move, screen: Screen) -> bool:
    """In the target's box 1.2 times as large, or at most 4 % of the long side away, in pixels."""
    if truth.point is None or guess.point is None:
        return truth.point == guess.point
    if screen.box is not None and aim.within(aim.grown(screen.box, 1.2), guess.point):
        return True
    return aim.apart_in_pixels(truth.point, guess.point, screen.size) <= 0.04


def qwen_text(truth: Move, guess: Move, screen: Screen) -> bool:
    """One text within the other, case and outer spaces aside."""
    return within((truth.text or "").lower().strip(), (guess.text or "").lower().strip())


def qwen_way(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether the main direction is the same, of equal axes the vertical one; without a way it counts as up."""
    return _qwen_way(truth) == _qwen_way(guess)


def _qwen_way(move: Move) -> str | None:
    if move.point is not None and move.end is not None:
        return main_way(move.point, move.end) or "up"
    return move.way


def qwen_icon(truth: Move, guess: Move, screen: Screen) -> bool:
    """Tell whether the app's icon is tapped in place of `open_app`: an element with its name, by the tap's rule."""
    if truth.kind != "open_app" or guess.kind != "click" or guess.point is None:
        return False
    for element in aim.named_elements(screen.elements, [truth.text or ""]):
        x1, y1, x2, y2 = element.bbox
        icon = Move("click", ((x1 + x2) / 2, (y1 + y2) / 2))
        if qwen_tap(icon, guess, Screen(screen.size, element.bbox)):
            return True
    return False


def far_tap(truth: Move, guess: Move, screen: Screen) -> bool:
    """At most 0.14 of the screen apart, boxes not looked at."""
    if truth.point is None or guess.point is None:
        return truth.point == guess.point
    return aim.apart(truth.point, guess.point) <= TAP


def first_word(truth: Move, guess: Move, screen: Screen) -> bool:
    """Equal, or their first words are, case aside: the published token F1 above 0.5 looks at one word only."""
    one, other = truth.text or "", guess.text or ""
    return one == other or (one.lower().split()[:1] == other.lower().split()[:1] != [])


def odyssey_tap(truth: Move, guess: Move, screen: Screen) -> bool:
    """In the target's box, edges included, or at most 0.14 of the screen apart."""
    if screen.box is not None and guess.point is not None and aim.within(screen.box, guess.point):
        return True
    return far_tap(truth, guess, screen)


def odyssey_text(truth: Move, guess: Move, screen: Screen) -> bool:
    """One text within the other, or a normalised edit similarity of at least 0.5, outer spaces aside."""
    one, other = (truth.text or "").strip(), (guess.text or "").strip()
    return within(one, other) or similarity(one, other) >= ANLS


TAP = 0.14
STOPS = dict.fromkeys(("terminate", "answer", "takeover", "ask_user"), "stop")

# fmt: off
PRESETS: dict[str, Preset] = {
    "default": Preset(
        meaning="gdp's own rules: strict where a real screen is strict",
        source="docs/evaluation.md; which actions do the same: AndroidControl (Li et al. 2024, arXiv 2406.03679), D.3",
        also=same_effect,
        alternatives=True,
    ),
    "aitw": Preset(
        meaning="Android in the Wild: taps by box or 14 %, gestures by axis, everything else by type only",
        source="google-research/google-research android_in_the_wild/action_matching.py (1d49f2c)",
        types={"click": "tap", "long_press": "tap", "drag": "scroll", "answer": "terminate:success"},
        named=False,
        needs={"tap": ("grounding",), "scroll": ("direction",), "type": (), "terminate:success": ()},
        rules={"grounding": aitw_tap, "direction": same_axis},
        shortest=0.04,
    ),
    "aitz": Preset(
        meaning="Android in the Zoo: taps by box or 14 %, text by inclusion or ratio, direction, button",
        source="IMNearth/CoAT coat/evaluate.py (9ab1a9f); taps as points and waits as stops: OpenBMB/AgentCPM-GUI"
        " eval/utils/evaluator.py (a5612f0)",
        types={"drag": "scroll", "button": "press", "wait": "stop", **STOPS},
        needs={"click": ("grounding",), "long_press": ("grounding",), "scroll": ("direction",), "type": ("text",),
               "press": ("arguments",), "stop": ()},
        rules={"grounding": aitz_tap, "text": aitz_text},
        shortest=0.04,
    ),
    "android-control": Preset(
        meaning="AndroidControl as Qwen2.5-VL is measured: target box x 1.2 or 4 %, text by inclusion, direction",
        source="Qwen2.5-VL's evaluation as InfiXAI/InfiGUI-R1 eval/android_control/evaluate_android_control.py"
        " (a4fca17) carries it",
        types={"drag": "scroll"},
        needs={"click": ("grounding",), "long_press": ("grounding",), "scroll": ("direction",), "type": ("text",),
               "open_app": ("text",), "wait": (), "button": ("arguments",)},
        rules={"grounding": qwen_tap, "text": qwen_text, "direction": qwen_way},
        also=qwen_icon,
    ),
    "android-control-os-atlas": Preset(
        meaning="AndroidControl as OS-Atlas is measured: taps by 14 %, text by its first word, the rest equal",
        source="OS-Copilot/OS-Atlas eval/eval_scripts/android_control/evaluation_unify.py (bad0840)",
        types={"drag": "scroll"},
        named=False,
        needs={"click": ("grounding",), "long_press": ("grounding",), "scroll": ("direction",), "type": ("text",),
               "open_app": ("text",), "wait": ()},
        rules={"grounding": far_tap, "text": first_word},
    ),
    "gui-odyssey": Preset(
        meaning="GUI-Odyssey: target box or 14 %, text by inclusion or edit similarity 0.5, direction",
        source="OpenGVLab/GUI-Odyssey src/eval_mm/GUIOdyssey_action_matching.py (e12788f)",
        types={"drag": "scroll", "answer": "terminate:success"},
        named=False,
        needs={"click": ("grounding",), "long_press": ("grounding",), "scroll": ("direction",), "type": ("text",),
               "terminate:success": ()},
        rules={"grounding": odyssey_tap, "text": odyssey_text},
    ),
}
# fmt: on
"""By the name that `--preset` takes."""


def get(name: str) -> Preset:
    """Return the preset; raises ConfigError for an unknown name."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigError("--preset", f"found {name!r}, expected one of {', '.join(PRESETS)}") from None
