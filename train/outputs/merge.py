"""`gdp merge`: a run's adapter and its base become one model folder, as those serve it that load no adapters."""

import gc
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.exceptions import InputError, OutputError, StageError, cannot_write
from pipeline.storage.apart import keep_apart, require_folder
from pipeline.storage.place import Place, flush_folder
from train.config import SftConfig
from train.folder import finished, unwritable
from train.quiet import quietly
from train.run import require
from train.watching.progress import Progress

MERGED = "merge.json"
"""What the folder was made of; written with the rest, so that the same command knows its own work."""

Precision = Literal["auto", "bf16", "fp16", "fp32"]


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """What the command line says."""

    precision: Precision = "auto"
    """Number format of the merged weights; auto is that of the base model's files."""
    fresh: bool = False
    quiet: bool = False
    verbose: bool = False
    progress: bool = False


@dataclass(frozen=True, slots=True)
class MergeReport:
    """The outcome; differences are the largest absolute ones of two logits."""

    out: str
    run: str
    base: str
    precision: str
    merged_from_adapter: float
    """The folder read back, against base and adapter apart."""
    tolerance: float
    quantised: str | None = None
    """How the base was held in training, where that was in few bits."""
    merged_from_quantised: float | None = None
    """The folder read back, against the adapter on the quantised base that it was trained on."""
    reused: bool = False

    @property
    def exit_code(self) -> int:
        """0: merged, read back and compared; everything else raises."""
        return 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {"stage": "merge", **asdict(self), "exit_code": self.exit_code}

    def render_text(self) -> str:
        """Return the report as lines for people."""
        was_there = " (was already there; nothing was merged again)" if self.reused else ""
        lines = [
            f"merge: {self.out}{was_there}",
            f"  run       {self.run}",
            f"  base      {self.base}, in {self.precision}",
            f"  verified  read back from disk: logits differ from base and adapter by {self.merged_from_adapter:.2g}"
            f" at most ({self.tolerance:.2g} allowed)",
        ]
        if self.quantised is not None:
            lines.append(
                f"  warning   trained on a base in {self.quantised}, merged into the unquantised one: logits differ"
                f" from those of training by {self.merged_from_quantised:.2g} at most"
            )
        return "\n".join(lines)


def run(run_folder: Path, out: Path, options: MergeOptions) -> MergeReport:
    """Merge a finished run into the new folder; raises GdpError subclasses, and leaves nothing there when it does."""
    require_folder(out, "-o")
    trained = finished.read(run_folder)
    base = finished.base_of(run_folder, trained)
    require(base)
    keep_apart(Place.of(run_folder), Place.of(out))
    who = {
        "run": trained.fingerprint,
        "adapter": hashlib.sha256((run_folder / finished.ADAPTER).read_bytes()).hexdigest(),
        "asked": options.precision,
    }
    if (stored := _stored(out, who, fresh=options.fresh)) is not None:
        return MergeReport(**{**stored, "out": str(out), "run": str(run_folder), "reused": True})
    with quietly(verbose=options.verbose):
        from . import merging

        _check_same(base, trained)
        progress = Progress(quiet=options.quiet, bar=options.progress)
        scratch = out.with_name(f".{out.name}.merging")
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            unwritable.make(scratch, out)
            sft = SftConfig(**_known(trained.sft))
            adapter = run_folder / "adapter"
            found = merging.merge(base, adapter, scratch, trained.contract, sft, options.precision, progress)
            report = MergeReport(out=str(out), run=str(run_folder), base=trained.model, **found)
            kept = {key: value for key, value in asdict(report).items() if key not in {"out", "run", "reused"}}
            facts = {**who, "report": kept, "files": sorted(path.name for path in scratch.iterdir())}
            (scratch / MERGED).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")
            _into_place(scratch, out)
        except Exception as error:
            if (why := unwritable.reason(error)) is None:
                raise
            raise cannot_write(out, why) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            gc.collect()
    return report


def _check_same(base: str, trained: finished.Finished) -> None:
    """Raise InputError where the base's files are not those that the adapter was trained on."""
    if (name := finished.changed(trained)) is not None:
        message = f"its {name} is not the one that the run was trained on, expected the same model"
        raise InputError(base, message, "put the files back that the run was trained on, or train again")


def _known(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that this version knows, of a run that another may have written."""
    return {key: value for key, value in settings.items() if key in SftConfig.__dataclass_fields__}


def _stored(out: Path, who: dict[str, Any], *, fresh: bool) -> dict[str, Any] | None:
    """Return the report of the same merge, None for a free place; raises OutputError for anything else there."""
    if out.is_dir() and not any(out.iterdir()):
        return None
    if not out.exists():
        return None
    try:
        earlier = json.loads((out / MERGED).read_bytes())
        ours = {key: earlier[key] for key in who}
        report: dict[str, Any] = earlier["report"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = "other files" if out.is_dir() else "a file"
        message = f"found {found}, expected a new or empty folder"
        raise OutputError(str(out), message, "choose another -o") from error
    if fresh:
        _check_foreign(out, earlier)
        return None
    if ours != who:
        message = "found another run merged there, or in another precision, expected a new folder"
        raise OutputError(str(out), message, "choose another -o, or --fresh to replace it")
    return report


def _check_foreign(out: Path, earlier: dict[str, Any]) -> None:
    """Raise OutputError for a file that the earlier merge did not write: replacing the folder would remove it."""
    strange = sorted({path.name for path in out.iterdir()} - {MERGED, *earlier.get("files", ())})
    if strange:
        message = f"found files that no merge wrote ({', '.join(strange[:3])}), expected a merged model alone"
        raise OutputError(str(out), message, "move them away, or choose another -o")


def _into_place(scratch: Path, out: Path) -> None:
    """Give the complete folder its name, durably; one that `--fresh` replaces is gone only then."""
    for file in scratch.rglob("*"):
        if file.is_dir():
            flush_folder(file)
    flush_folder(scratch)
    if out.exists():
        aside = out.with_name(f".{out.name}.replaced")
        shutil.rmtree(aside, ignore_errors=True)
        out.rename(aside)
        scratch.rename(out)
        shutil.rmtree(aside)
    else:
        scratch.rename(out)
    flush_folder(out.parent)


def check_close(found: float, tolerance: float, where: str) -> None:
    """Raise StageError where the merged model is another one."""
    if not found <= tolerance:
        message = f"logits of the merged model differ by {found:.3g} from those of base and adapter"
        raise StageError(where, f"{message}, expected at most {tolerance:.3g}", "merge with --precision fp32")
