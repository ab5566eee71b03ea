"""How good a response is: compared with the recorded decision, by named published rules. Imports no torch."""

from .case import Case, cases
from .judge import Verdict, judge
from .presets import PRESETS, Preset, get
from .tally import METRICS, Rate, Summary, summarize, wilson

__all__ = [
    "METRICS",
    "PRESETS",
    "Case",
    "Preset",
    "Rate",
    "Summary",
    "Verdict",
    "cases",
    "get",
    "judge",
    "summarize",
    "wilson",
]
