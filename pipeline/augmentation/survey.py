"""Survey a shard: what could truthfully be injected before its decisions, and what forbids the rest."""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from pipeline import layouts
from pipeline.errors import KINDS, Episode, Proposal, Refusal
from pipeline.layouts import Layout
from pipeline.slicing.compose import Setting, Shown, said, too_long, with_size
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Contract

from .cut import is_cut
from .dose import Candidate
from .graph import Surrounding

SET_ASIDE = "mined_slip"
"""Why a clean sample leaves: its decision is a mistake that the recording itself repairs."""

Counts = dict[str, dict[str, int]]
Surroundings = dict[str, tuple[Surrounding, ...]]


class SurveyTask(Struct, frozen=True):
    """One shard of the source dataset, to be asked what could be injected."""

    number: int
    source: str
    setting: Setting
    kinds: tuple[str, ...]
    seed: int
    max_errors: int
    surroundings: Surroundings

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"augment-errors {self.number:05d} (survey)"


class Survey(Struct, frozen=True):
    """What could be injected into a shard, and why the rest could not."""

    number: int
    counts: Counts
    candidates: tuple[Candidate, ...]
    samples: int
    """Without those whose decisions turn out to be mistakes."""
    there: dict[str, int]
    """Error-correction samples that the shard has already, by kind."""
    fine: int
    """Clean decisions on a screen that the action before did not change, and rightly so."""


def survey_shard(task: SurveyTask) -> Survey:
    """Ask every kind about every decision of the shard."""
    dataset = Dataset.open(task.source)
    layout = layouts.get(task.setting.contract.layout)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in task.kinds}
    columns = ["sample_id", "trajectory_id", "step_index", "origin", "error_kind"]
    rows = list(dataset.rows("samples", task.number, columns))
    whole = [row for row in rows if row["origin"] == "clean" and not is_cut(row["sample_id"])]
    clean = {(row["trajectory_id"], row["step_index"]): row["sample_id"] for row in whole}
    there = {decision_of(row["sample_id"]) for row in rows if row["origin"] != "clean"}
    candidates: list[Candidate] = []
    fine = leaving = 0
    for episode in episodes(dataset, task.number, task.seed, task.surroundings):
        found, slips = _proposals(layout, task, episode, clean, counts)
        candidates += [candidate for candidate in found if candidate.decision not in there]
        leaving += sum((episode.name, index) in clean for index in slips)
        fine += sum(
            episode.around(index).unchanged and index - 1 not in slips and episode.role(index - 1) == "normal"
            for index in range(1, len(episode.steps))
            if (episode.name, index) in clean
        )
    return Survey(
        number=task.number,
        counts={kind: dict(sorted(counter.items())) for kind, counter in counts.items()},
        candidates=tuple(candidates),
        samples=len(rows) - leaving,
        there=dict(Counter(row["error_kind"] for row in rows if row["origin"] != "clean")),
        fine=fine,
    )


def decision_of(sample_id: str) -> str:
    """Return the id of the clean sample that an error sample was made from: one error a decision."""
    return sample_id.rsplit("+", 1)[0]


def episodes(
    dataset: Dataset, number: int, seed: int, surroundings: Surroundings, wanted: Container[str] | None = None
) -> Iterator[Episode]:
    """Yield the shard's trajectories, or those that are wanted."""
    for name, group in groupby(dataset.steps(number, wanted), key=lambda row: row.trajectory_id):
        rows = tuple(group)
        steps = tuple(row for row in rows if row.facts is not None)
        final = rows[-1] if rows[-1].facts is None else None
        if steps:
            yield Episode(steps, seed, surroundings.get(name, ()), final)


def _proposals(
    layout: Layout,
    task: SurveyTask,
    episode: Episode,
    clean: dict[tuple[str, int], str],
    counts: dict[str, Counter[str]],
) -> tuple[list[Candidate], set[int]]:
    """Return every error that is truthful and expressible, and the recorded slips; count why the others are not."""
    found: list[tuple[int, Candidate]] = []
    slips: set[int] = set()
    promoted: set[int] = set()
    turns = sized(episode.shown(len(episode.steps)), episode, task.setting.contract)
    silent = [index for index, item in enumerate(turns) if layout.refuse(item.turn) is not None]
    for index in range(len(episode.steps)):
        decision = clean.get((episode.name, index))
        if decision is None:
            continue
        for kind in task.kinds:
            outcome = KINDS[kind].propose(episode, index)
            if outcome is None:
                continue
            counts[kind]["considered"] += 1
            proposals, guard = _expressible(layout, task, episode, outcome, silent)
            if not proposals:
                counts[kind][f"refused: {guard}"] += 1
                continue
            counts[kind]["truthful"] += 1
            found.append((index, Candidate(decision, kind, len(proposals))))
            if KINDS[kind].replaces:
                promoted.add(index)
                slips.update(KINDS[kind].slips(episode, index))
    kept = []
    for index, candidate in found:
        if not KINDS[candidate.kind].replaces and (index in promoted or slips & {index, index - 1}):
            counts[candidate.kind]["truthful"] -= 1
            counts[candidate.kind][f"refused: {SET_ASIDE}"] += 1
        else:
            kept.append(candidate)
    return kept, slips


def _expressible(
    layout: Layout, task: SurveyTask, episode: Episode, outcome: Refusal | Sequence[Proposal], silent: Sequence[int]
) -> tuple[list[Proposal], str | None]:
    """Return the proposals that the layout can say and show, in order up to the first that it cannot, and why.

    `silent` are the recorded steps that it has no call for.
    """
    if isinstance(outcome, Refusal):
        return [], outcome.guard
    kept: list[Proposal] = []
    for proposal in outcome:
        guard = _unsayable(layout, task.setting, episode, proposal, silent)
        if sum(item.turn.role == "error" for item in proposal.tail) > task.max_errors:
            guard = "more_errors_than_wanted"
        if guard is not None:
            return kept, guard
        kept.append(proposal)
    return kept, None


def sized(shown: Sequence[Shown], episode: Episode, contract: Contract) -> tuple[Shown, ...]:
    """Return the turns, each with the size of its screenshot, which pixel coordinates need."""
    last = len(episode.steps) - 1
    recorded = [episode.steps[min(item.turn.step_index, last)].observation.image for item in shown]
    return tuple(
        Shown(with_size(item.turn, item.image, screenshot, contract), item.image)
        for item, screenshot in zip(shown, recorded, strict=True)
    )


def _unsayable(
    layout: Layout, setting: Setting, episode: Episode, proposal: Proposal, silent: Sequence[int]
) -> str | None:
    """Return why the proposal cannot become a sample of this layout, or None."""
    tail = sized(proposal.tail, episode, setting.contract)
    past = episode.shown(proposal.past)
    shown = (*past, *tail)
    calls = said(layout, setting, [item.turn for item in shown])
    if any(n in calls for n in silent if n < len(past)):
        return "inexpressible"
    if any(layout.refuse(item.turn) is not None for item in tail[max(0, calls.start - len(past)) :]):
        return "inexpressible"
    if (guard := _unseen(layout, setting, shown, proposal.evidence)) is not None:
        return guard
    if setting.slicing.max_tokens is not None:
        whole = (*sized(past, episode, setting.contract), *tail)
        if too_long(layout, setting, episode.steps[0].goal, whole, evidence=proposal.evidence) is not None:
            return "too_long"
    return None


def _unseen(layout: Layout, setting: Setting, shown: Sequence[Shown], evidence: int) -> str | None:
    """Return why the error and what came of it are not in view, or None."""
    room, most = setting.image_window, setting.slicing.max_history
    told = len(shown) if most is None else most + 1
    for number, item in enumerate(reversed(shown), 1):
        if room == 0 or number > told:
            return "evidence_outside_window" if number <= evidence else None
        if layout.reply_replaces_image and item.turn.inbound:
            if number <= evidence:
                return "evidence_outside_window"
            continue
        if item.image is None:
            return "screenshot_missing"
        room -= 1
    return None
