"""Make one shard of samples from its trajectories: what a worker of `gdp slice` does.

A pure function of the task: load each trajectory, bring each screenshot once to its final size, cut samples as the mode
says (`pipeline.modes`), write down whatever is refused.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from pipeline import layouts
from pipeline.describe import language
from pipeline.modes import MODES, Recording, Refused
from pipeline.records import ImageRef, Split, Step, Trajectory
from pipeline.screens.images import ImageProblem, Plan, Resized, Stored, finish
from pipeline.storage.manifest import Flow, Shard
from pipeline.storage.place import Place
from pipeline.storage.shards import ShardResult, ShardWriter
from pipeline.storage.tables import StepFacts, rejected_row, sample_row, step_row, trajectory_header
from pipeline.trajectories import Document, Loaded

from .compose import SCREENSHOTS, STEPS, Setting, Shown, Subject, turn_of, with_size
from .inputs import Key, Looked, inputs, observations


class SliceTask(Struct, frozen=True):
    """One shard: its trajectories and what each is for."""

    number: int
    source: str
    out: str
    documents: tuple[Document, ...]
    splits: tuple[Split, ...]
    repeated: dict[int, str]
    """Position of a trajectory whose id was there before: the place of the first one."""
    setting: Setting
    image_plan: Plan
    fingerprint: str
    """Of everything that the stage reads."""
    metadata: dict[str, str]
    """Written into every shard."""

    @property
    def name(self) -> str:
        """How errors call the task."""
        return f"slice {self.number:05d}"


def slice_shard(task: SliceTask) -> ShardResult:
    """Make one shard; the only part that a worker runs."""
    tables = ("steps", "images", "samples", "rejected")
    with ShardWriter(Place(task.out), task.number, tables, task.metadata) as writer:
        coming = inputs(Place(task.source), task.documents, task.repeated, task.image_plan)
        shard = _Shard(task, writer)
        for split in task.splits:
            shard.add(next(coming), split, coming)
        return shard.result(writer.commit())


class _Shard:
    """The state of one shard while it is made."""

    def __init__(self, task: SliceTask, writer: ShardWriter) -> None:
        self._task = task
        self._writer = writer
        self._layout = layouts.get(task.setting.contract.layout)
        self._prepared: dict[Key, ImageRef | ImageProblem] = {}
        self._stored: dict[str, ImageRef] = {}
        self._trajectories = Flow()
        self._decisions = Flow()
        self._samples = Flow()
        self._in_windows = task.setting.slicing.mode == "window"
        self._codes: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self._pictures: Counter[str] = Counter()
        self._shortened: Counter[str] = Counter()

    def result(self, shards: tuple[Shard, ...]) -> ShardResult:
        """Return what the journal notes."""
        slicing = self._task.setting.slicing
        counts = {"trajectories": self._trajectories, "samples": self._samples}
        if self._in_windows:
            counts = {"trajectories": self._trajectories, "decisions": self._decisions, "samples": self._samples}
        return ShardResult(
            number=self._task.number,
            shards=shards,
            counts=counts,
            rejected=dict(self._codes),
            splits=dict(self._splits),
            details={
                "screenshots": dict(self._pictures),
                **({} if slicing.max_tokens is None else {"shortened": dict(self._shortened)}),
            },
        )

    def add(self, loaded: Loaded | Looked, split: Split, coming: Iterator[Loaded | Looked]) -> None:
        """Write all that comes of one trajectory; its screenshots are what comes next."""
        assert isinstance(loaded, Loaded)
        taken = loaded.trajectory is not None
        self._trajectories += Flow(into=1, out=int(taken), rejected=int(not taken))
        if loaded.trajectory is None:
            problem = loaded.problems[0]
            more = f" (and {len(loaded.problems) - 1} more)" if len(loaded.problems) > 1 else ""
            self._reject("trajectory", problem.code, problem.where, problem.message + more)
            return
        pictures = [self._picture(next(coming)) for _ in observations(loaded.trajectory)]
        self._add_trajectory(loaded, loaded.trajectory, split, pictures)

    def _add_trajectory(
        self, loaded: Loaded, trajectory: Trajectory, split: Split, pictures: Sequence[ImageRef | ImageProblem]
    ) -> None:
        lang = trajectory.lang or language(trajectory.goal)
        subject = Subject(trajectory.trajectory_id, trajectory.goal, lang, split)
        header = trajectory_header(trajectory)
        for index, picture in enumerate(pictures):
            ref = None if isinstance(picture, ImageProblem) else picture
            self._writer.write("steps", step_row(trajectory, index, split, lang, ref, header))
        shown = tuple(self._shown(step, pictures[step.index], subject) for step in trajectory.steps)
        recording = Recording(
            layout=self._layout,
            setting=self._task.setting,
            subject=subject,
            where=loaded.document.where,
            steps=trajectory.steps,
            shown=shown,
            pictures=pictures,
            unsayable=tuple(self._layout.refuse(item.turn) for item in shown),
        )
        self._cut(recording)
        for index in range(len(trajectory.steps), loaded.n_steps):
            self._reject_broken(loaded, trajectory, index)

    def _cut(self, recording: Recording) -> None:
        """Write the samples of a trajectory and the decisions that are in none."""
        trained: set[int] = set()
        for made in MODES[self._task.setting.slicing.mode](recording):
            if isinstance(made, Refused):
                where = f"{recording.where}: $.steps[{made.step_index}]"
                self._reject_decision(made.code, where, made.message, recording.subject.trajectory_id, made.step_index)
                continue
            self._writer.write("samples", sample_row(made))
            self._samples += Flow(into=1, out=1)
            self._splits[made.split] += 1
            self._shortened.update(made.provenance.keys() & {SCREENSHOTS, STEPS})
            trained.update(turn.step_index for turn in made.turns if turn.loss_weight > 0)
        self._decisions += Flow(into=len(trained), out=len(trained))

    def _picture(self, looked: Loaded | Looked) -> ImageRef | ImageProblem:
        """Return where the screenshot is stored, storing it if it is new, or why it is refused."""
        assert isinstance(looked, Looked)
        picture: ImageRef | ImageProblem
        match looked.outcome:
            case Resized() as resized:
                picture = self._store(finish(resized, self._task.image_plan))
            case ImageProblem() as problem:
                self._pictures["refused"] += 1
                picture = problem
            case None:
                assert looked.key is not None
                picture = self._prepared[looked.key]
        if looked.key is not None:
            self._prepared[looked.key] = picture
        return picture

    def _store(self, stored: Stored) -> ImageRef:
        if stored.sha256 not in self._stored:
            row = self._writer.write(
                "images",
                {
                    "sha256": stored.sha256,
                    "bytes": stored.data,
                    "width": stored.width,
                    "height": stored.height,
                    "format": stored.format,
                    "source_sha256": stored.source_sha256,
                    "source_width": stored.source_width,
                    "source_height": stored.source_height,
                    "phash": stored.fingerprint.phash,
                    "tiles": stored.fingerprint.tiles,
                },
            )
            self._pictures["resized" if stored.sha256 != stored.source_sha256 else "unchanged"] += 1
            self._stored[stored.sha256] = ImageRef(stored.sha256, self._task.number, row, stored.width, stored.height)
        return self._stored[stored.sha256]

    def _shown(self, step: Step, picture: ImageRef | ImageProblem, subject: Subject) -> Shown:
        facts = StepFacts(**{name: getattr(step, name) for name in StepFacts.__struct_fields__})
        image = None if isinstance(picture, ImageProblem) else picture
        turn = turn_of(step.index, facts, step.observation, subject.lang)
        return Shown(with_size(turn, image, step.observation.image, self._task.setting.contract), image)

    def _reject_broken(self, loaded: Loaded, trajectory: Trajectory, index: int) -> None:
        own = [problem for problem in loaded.problems if problem.step_index == index]
        if own:
            code, where, message = own[0].code, own[0].where, own[0].message
        else:
            code, where = "history_broken", f"{loaded.document.where}: $.steps[{index}]"
            message = f"found the broken step {len(trajectory.steps)} in its history, expected a whole one"
        self._reject_decision(code, where, message, trajectory.trajectory_id, index)

    def _reject_decision(self, code: str, where: str, message: str, trajectory_id: str, index: int) -> None:
        """Write down a decision that is trained in no sample; unless samples are windows, that is a sample less."""
        self._decisions += Flow(into=1, rejected=1)
        if not self._in_windows:
            self._samples += Flow(into=1, rejected=1)
        scope = "decision" if self._in_windows else "sample"
        self._reject(scope, code, where, message, trajectory_id, index)

    def _reject(
        self,
        scope: str,
        code: str,
        where: str,
        message: str,
        trajectory_id: str | None = None,
        step_index: int | None = None,
    ) -> None:
        self._codes[code] += 1
        row = rejected_row(
            "slice",
            self._task.fingerprint,
            scope,
            code,
            where,
            message,
            trajectory_id=trajectory_id,
            step_index=step_index,
        )
        self._writer.write("rejected", row)
