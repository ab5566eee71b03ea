"""From episodes to the table: counts, intervals, text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from train.metrics import wilson

from .live import Episode

KINDS = ("wrong_place", "wrong_folder", "wrong_file", "back", "dead_tap")


def summary(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Return what was counted, as JSON."""
    planted: Counter[str] = Counter()
    recovered: Counter[str] = Counter()
    for slip in (slip for episode in episodes for slip in episode.planted):
        planted[slip.kind] += 1
        recovered[slip.kind] += bool(slip.recovered)
    return {
        "episodes": len(episodes),
        "success": sum(episode.success for episode in episodes),
        "invalid": sum(episode.invalid for episode in episodes),
        "planted": dict(planted),
        "recovered": dict(recovered),
        "on path": sum(episode.decisions_on_path for episode in episodes),
        "went back": sum(episode.went_back_on_path for episode in episodes),
        "decisions": sum(len(episode.turns) for episode in episodes),
    }


def pooled(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sums over the seeds."""
    total: dict[str, Any] = {}
    for key in results[0]:
        if isinstance(results[0][key], dict):
            total[key] = dict(sum((Counter(each[key]) for each in results), Counter()))
        else:
            total[key] = sum(each[key] for each in results)
    return total


def share(hits: int, of: int) -> str:
    """Return a share with its interval, in percent, and what was counted."""
    if not of:
        return "–"
    low, high = wilson(hits, of)
    return f"{100 * hits / of:.0f} ({100 * low:.0f}–{100 * high:.0f})"


def main_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the table of the arms; each has the results with planted turns, a seed each."""
    lines = [
        "| trained on | success, % | by seed | wrong turns made good, % | went back where nothing was wrong, % |",
        "|---|---|---|---|---|",
    ]
    for title, seeds in results.items():
        total = pooled(seeds)
        by_seed = " / ".join(f"{100 * each['success'] / each['episodes']:.0f}" for each in seeds)
        made_good = share(sum(total["recovered"].values()), sum(total["planted"].values()))
        back = share(total["went back"], total["on path"])
        success = share(total["success"], total["episodes"])
        lines.append(f"| {title} | {success} | {by_seed} | {made_good} | {back} |")
    return "\n".join(lines)


def calm_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the same goals and layouts without a planted turn."""
    lines = ["| trained on | success, % | by seed | went back where nothing was wrong, % |", "|---|---|---|---|"]
    for title, seeds in results.items():
        total = pooled(seeds)
        by_seed = " / ".join(f"{100 * each['success'] / each['episodes']:.0f}" for each in seeds)
        back = share(total["went back"], total["on path"])
        lines.append(f"| {title} | {share(total['success'], total['episodes'])} | {by_seed} | {back} |")
    return "\n".join(lines)


def kinds_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return how many wrong turns of each kind were planted and made good."""
    lines = [
        f"| trained on | {' | '.join(kind.replace('_', ' ') for kind in KINDS)} |",
        "|---" * (len(KINDS) + 1) + "|",
    ]
    for title, seeds in results.items():
        total = pooled(seeds)
        cells = [f"{total['recovered'].get(kind, 0)} of {total['planted'].get(kind, 0)}" for kind in KINDS]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def times_table(times: Mapping[str, Mapping[str, float]]) -> str:
    """Return what the steps took, those of one kind together."""
    kinds: dict[str, list[float]] = {}
    for name, taken in times.items():
        kinds.setdefault(name.split("-")[0], []).append(taken["cpu"])
    lines = ["| step | times | each | all |", "|---|---|---|---|"]
    for kind, all_of_it in sorted(kinds.items(), key=lambda item: -sum(item[1])):
        low, high = min(all_of_it), max(all_of_it)
        each = f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
        lines.append(f"| {kind} | {len(all_of_it)} | {each} | {sum(all_of_it):.0f} |")
    return "\n".join(lines)
