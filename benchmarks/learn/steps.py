"""The steps of `make learn` that are no `gdp` command, each in a process of its own: record, model, merge, act."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from .goals import SPLITS, Split

SLIP = 0.35
"""Probability of a planted turn at each decision where one can be planted."""
TIMES = 3
"""Episodes of each goal in each held-out layout, with wrong turns planted at other places."""
TABS = 16


def record(split: str, out: str, part: str, parts: str, chromium: str) -> None:
    """Record every `parts`-th way, from `part` on; a mark says that it is whole."""
    from sample_data.driver import chromium as started

    from .record import record_all

    with started(chromium) as browser:
        record_all(browser, SPLITS[split].curriculum()[int(part) :: int(parts)], Path(out))
    (Path(out).parent / f"recorded-{part}").touch()


def model(dataset: str, out: str) -> None:
    """Make the model that nothing has been trained into."""
    from .model import build

    build(Path(dataset), Path(out))


def merge(base: str, run: str, dataset: str, out: str) -> None:
    """Write the base model with a run's adapter merged into it."""
    from .model import merge as merged

    merged(Path(base), Path(run), Path(dataset), Path(out))


def act(split: str, base: str, run: str, dataset: str, result: str, chromium: str) -> None:
    """Let a trained model act on the held-out goals in the held-out layouts, and write what was counted."""
    import torch

    torch.set_num_threads(1)
    found = asyncio.run(_acted(SPLITS[split], Path(base), Path(run), Path(dataset), chromium))
    Path(result).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


async def _acted(split: Split, base: Path, run: Path, dataset: Path, chromium: str) -> dict[str, object]:
    from .agent import Agent
    from .live import Task, play, tabs
    from .score import summary

    agent = Agent(base, run, dataset)
    places = [(layout, goal) for goal in split.held_out for layout in split.held_out_layouts]
    stormy = [Task(*place, SLIP, number) for place in places for number in range(TIMES)]
    calm = [Task(*place, 0.0, TIMES) for place in places]
    async with tabs(chromium, TABS) as pages:
        episodes = await play(pages, [*stormy, *calm], agent)
    return {"planted": summary(episodes[: len(stormy)]), "calm": summary(episodes[len(stormy) :])}


STEPS: dict[str, Callable[..., None]] = {"record": record, "model": model, "merge": merge, "act": act}

if __name__ == "__main__":
    STEPS[sys.argv[1]](*sys.argv[2:])
