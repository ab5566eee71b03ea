"""The words that the terminal and the page share."""

from collections.abc import Iterator

from .state import State


def headline(state: State) -> str:
    """Return where the run stands, in one line."""
    of_steps = f"step {state.step}" + (f" of {state.steps}" if state.steps else "")
    left = state.seconds_left()
    return f"{state.status}, {of_steps}" + (f", about {duration(left)} left" if left is not None else "")


def facts(state: State) -> Iterator[tuple[str, str]]:
    """Yield what there is to say beside the curves, as (name, value)."""
    if model := state.identity.get("model"):
        yield "model", str(model)
    if state.damaged:
        yield "log", f"{state.damaged} damaged lines passed over: what they said is missing here"
    elif state.status == "finished" and not state.lines:
        yield "log", "there is none, so nothing was watched here"
    evals = state.series("eval_loss")
    if evals:
        best = min(evals, key=lambda point: point[1])
        yield (
            "eval loss",
            f"{evals[0][1]:.4f} at the start, best {best[1]:.4f} (step {best[0]}), now {evals[-1][1]:.4f}",
        )
    for key, name, form in (
        ("samples_per_second", "samples/s", "{:.2f}"),
        ("tokens_per_second", "tokens/s", "{:,.0f}"),
        ("data_wait", "waits for data", "{:.0%} of the time"),
    ):
        if points := state.series(key):
            yield name, form.format(points[-1][1])
    for key, name in (("gpu_peak_memory", "peak GPU memory"), ("process_peak_memory", "peak RSS")):
        if points := state.series(key):
            yield name, f"{points[-1][1] / 2**30:.1f} GiB"
    if (seconds := state.seconds()) is not None:
        yield "running for", duration(seconds)


def duration(seconds: float) -> str:
    """Return a time as people say it.

    >>> duration(75), duration(9), duration(7260)
    ('1 min 15 s', '9 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def number(value: float) -> str:
    """Return a number short enough for an axis.

    >>> number(0.0001), number(6.93), number(12345.6), number(0)
    ('0.0001', '6.93', '12,346', '0')
    """
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
