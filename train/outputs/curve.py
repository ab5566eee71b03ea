"""The loss curve as a picture, the same bytes for the same numbers."""

from collections.abc import Sequence
from pathlib import Path

Series = Sequence[tuple[int, float]]


def draw(path: Path, train: Series, val: Series, title: str) -> None:
    """Write a PNG of train and eval loss over the optimizer steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for series, label, style in ((train, "train", {"alpha": 0.7}), (val, "eval", {"marker": "o", "markersize": 4})):
        if series:
            axes.plot([step for step, _ in series], [loss for _, loss in series], label=label, **style)
    axes.set(xlabel="optimizer step", ylabel="loss per trained token", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False)
    figure.savefig(path, format="png", metadata={"Software": None})
