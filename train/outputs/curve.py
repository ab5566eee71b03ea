"""The loss curve as a picture, the same bytes for the same numbers."""

from collections.abc import Sequence
from pathlib import Path

Series = Sequence[tuple[int, float]]
FEW = 10


def draw(path: Path, steps: Series, train: Series, val: Series, title: str) -> None:
    """Write a PNG of the train loss of each step, its mean at each logging interval, and the eval loss."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    curves = (
        (
            steps,
            "train, each step",
            {"color": "C0", "alpha": 0.35, "linewidth": 1, "marker": "." if few(steps) else ""},
        ),
        (
            train,
            "train, mean of logging_steps",
            {"color": "C0", "marker": "o" if few(train) else "", "markersize": 3},
        ),
        (val, "eval", {"color": "C1", "marker": "o", "markersize": 4}),
    )
    for series, label, style in curves:
        if series:
            axes.plot([step for step, _ in series], [loss for _, loss in series], label=label, **style)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="optimizer step", ylabel="loss per trained token", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path, format="png", metadata={"Software": None})


def few(series: Series) -> bool:
    """Return whether a line through the points is too short to be seen without them."""
    return len(series) <= FEW
