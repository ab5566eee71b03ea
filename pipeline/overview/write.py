"""`gdp validate --report DIR`: report.json for programs, report.html and rejected/ for people."""

import hashlib
import io
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from PIL import Image

from pipeline.errors import KINDS
from pipeline.exceptions import OutputError, cannot_write
from pipeline.records import ImageRef
from pipeline.report import StageReport
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Manifest
from pipeline.validation import verdict
from pipeline.validation.unasked import unasked

from . import drift, page, tokens
from .charts import bins
from .measure import Measures, flagged, measure
from .refused import Gallery, Refused

PAGE = 40
"""Refused rows on a page of rejected/."""
SHOWN = 12
"""Refused rows in report.html itself."""
THUMBNAIL = (360, 640)
"""Pixels of their screenshots at most."""
OURS = re.compile(r"report\.(json|html)|rejected(/\d+\.html|/images(/[0-9a-f]{64}\.(jpeg|png|webp))?)?")
"""Files and folders of a report, by their place in it."""
ERROR_KIND = re.compile(r'"error_kind":"(\w+)"')
FOLDERS = frozenset({"rejected", "rejected/images"})


class Looked(Struct, frozen=True):
    """What a report is made from."""

    dataset: Dataset
    """What is shown: what validation wrote, else what it read."""
    manifest: Manifest
    """What validation says, be it written or not."""
    measures: Measures
    unwritten: tuple[dict[str, Any], ...]
    """Refused rows that stand in no table."""
    other: Dataset | None = None
    theirs: Measures | None = None
    moved: drift.Drift | None = None


class Told(Struct, frozen=True):
    """The report of a stage, followed by how its dataset differs from another."""

    own: StageReport
    looked: Looked

    @property
    def exit_code(self) -> int:
        """That of the stage: a difference is no finding."""
        return self.own.exit_code

    def to_dict(self) -> dict[str, Any]:
        """Return the stage's report, with the comparison under `against`."""
        against = _against(self.looked)
        return {**self.own.to_dict(), **({} if against is None else {"against": against})}

    def render_text(self) -> str:
        """Return one below the other."""
        moved, other = self.looked.moved, self.looked.other
        if moved is None or other is None:
            return self.own.render_text()
        return "\n".join(verdict.lines(self.own, lambda room: drift.lines(moved, other.path, room)))


def look(report: StageReport, against: Dataset | None) -> Looked:
    """Measure the dataset of a report, and another one to compare it with."""
    dataset = Dataset.open(report.path)
    measures = measure(dataset)
    if not report.written:  # what a row says there is of an earlier validation
        measures = flagged(measures, report.manifest.details.get("flags", {}))
    measures = tokens.counted(measures, report.manifest, written=report.written)
    unwritten = () if report.written else report.refused
    if against is None:
        return Looked(dataset, report.manifest, measures, unwritten)
    theirs = measure(against)
    if against.manifest.stage != "validate" and not theirs.counts["flag"]:
        theirs = flagged(theirs, None)
    theirs = tokens.apart(tokens.counted(theirs, against.manifest), measures)
    moved = drift.compare(dataset, against, measures, theirs)
    return Looked(dataset, report.manifest, measures, unwritten, against, theirs, moved)


def check(folder: Path) -> None:
    """Raise OutputError unless the folder is new, empty, or holds an earlier report and nothing else."""
    hint = "choose another --report"
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        raise OutputError(str(folder), "found a file, expected a folder for the report", hint)
    strange = sorted(itertools.islice(_strange(folder), 1000)) if folder.exists() else []
    if strange:
        message = f"found other files ({', '.join(strange[:3])}), expected a new folder or an earlier report"
        raise OutputError(str(folder), message, hint)
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise cannot_write(folder, f"{above} is not writable", hint)


def _strange(folder: Path) -> Iterator[str]:
    """Yield what is no part of a report: a new one removes the pages of an earlier one."""
    for parent, folders, names in os.walk(folder):
        inside = Path(parent).relative_to(folder)
        for name in (*folders, *names):
            place = (inside / name).as_posix()
            plain = name in folders and not (folder / place).is_symlink()
            if not OURS.fullmatch(place) or plain != (place in FOLDERS):
                yield place


def write(looked: Looked, folder: Path) -> None:
    """Write the report into the folder, over an earlier one; raises OutputError where that cannot be."""
    check(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "rejected").exists():
            shutil.rmtree(folder / "rejected")
        gallery = Gallery(looked.dataset)
        first, n_refused = _write_refused(gallery, looked.unwritten, folder / "rejected")
        (folder / "report.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(_document(looked)), indent=2) + b"\n"
        )
        content = page.Content(
            path=looked.dataset.path,
            manifest=looked.manifest,
            measures=looked.measures,
            funnel=tuple(funnel(looked)),
            refused=tuple(first),
            n_refused=n_refused,
            against=looked.other.path if looked.other else None,
            theirs=looked.theirs,
            drift=looked.moved,
        )
        text = page.report(content, lambda ref: _thumbnail(gallery, ref))
        (folder / "report.html").write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder, error) from error


def funnel(looked: Looked) -> list[tuple[str, int]]:
    """Return what was left after each stage, as far as the dataset tells: earlier stages by the rows they refused."""
    flow = looked.manifest.counts["samples"]
    kinds = looked.measures.counts["error_kind"]  # one that takes the place of a clean sample adds none
    added, refused = sum(n for kind, n in kinds.items() if kind in KINDS and not KINDS[kind].replaces), 0
    for number in looked.dataset.manifest.shard_numbers():
        for row in looked.dataset.rows("rejected", number, ["stage", "scope", "row"]):
            refused += row["stage"] == "slice" and row["scope"] != "trajectory"
            kind = ERROR_KIND.search(row["row"] or "") if row["stage"] == "validate" else None
            added += kind is not None and kind[1] in KINDS and not KINDS[kind[1]].replaces
    sliced = flow.into - added
    steps = []
    if refused:
        steps.append(("decisions recorded", sliced + refused))
    steps.append(("cut by slice", sliced))
    if added:
        steps.append(("with errors added", flow.into))
    steps.append((f"passed {looked.manifest.stage}", flow.out))
    return steps


def _document(looked: Looked) -> dict[str, Any]:
    manifest, measures = looked.manifest, looked.measures
    histograms = {
        name: [msgspec.structs.asdict(each) for each in bins(values)] for name, values in measures.values.items()
    }
    middles = {name: drift.median(values) for name, values in measures.values.items()}
    document: dict[str, Any] = {
        "dataset": looked.dataset.path,
        "fingerprint": looked.dataset.manifest.fingerprint,
        "stage": manifest.stage,
        "counts": {name: {"in": flow.into, "added": flow.added, "out": flow.out, "rejected": flow.rejected}
                   for name, flow in manifest.counts.items()},
        "flagged": manifest.details.get("flagged", 0),
        "findings": verdict.table(manifest),
        "not_asked": unasked(manifest),
        "rejected": manifest.rejected,
        "funnel": [{"after": name, "samples": count} for name, count in funnel(looked)],
        "samples": measures.samples,
        "unreadable": measures.unreadable,
        "trajectories": measures.trajectories,
        "distributions": measures.counts,
        "histograms": histograms,
        "medians": middles,
        "tokens": dict(tokens.document(measures)),
        "clicks": list(map(msgspec.structs.asdict, measures.clicks)),
    }  # fmt: skip
    if (against := _against(looked)) is not None:
        document["against"] = against
    return document


def _against(looked: Looked) -> dict[str, Any] | None:
    if looked.moved is None or looked.other is None:
        return None
    return {"dataset": looked.other.path, **msgspec.structs.asdict(looked.moved)}


def _write_refused(gallery: Gallery, unwritten: tuple[dict[str, Any], ...], folder: Path) -> tuple[list[Refused], int]:
    """Write the pages, if there is anything on them; return the first rows and how many there are."""
    total = len(unwritten) + sum(
        shard.rows for shard in gallery.dataset.manifest.shards if shard.name.startswith("rejected/")
    )
    last = -(-total // PAGE)
    if total:
        (folder / "images").mkdir(parents=True)
    rows = gallery.rows(unwritten)
    first: list[Refused] = []

    def picture(ref: ImageRef) -> str | None:
        data = gallery.bytes(ref)
        if data is None:
            return None
        name = f"images/{hashlib.sha256(data).hexdigest()}.{_suffix(data)}"  # not by what the row says of it
        if not (folder / name).exists():
            (folder / name).write_bytes(data)
        return name

    for number in range(1, last + 1):
        chunk = list(itertools.islice(rows, PAGE))
        first = first or chunk[:SHOWN]
        (folder / f"{number}.html").write_text(page.refused_page(chunk, picture, number, last), encoding="utf-8")
    return first, total


def _thumbnail(gallery: Gallery, ref: ImageRef) -> str | None:
    """Return a small copy as a data URI, None for a picture that does not decode."""
    data = gallery.bytes(ref)
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            small = picture.convert("RGB")
            small.thumbnail(THUMBNAIL)
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=80)
    except (OSError, ValueError, SyntaxError):
        return None
    return page.data_uri(buffer.getvalue(), "image/jpeg")


def _suffix(data: bytes) -> str:
    return "png" if data[:4] == b"\x89PNG" else "webp" if data[8:12] == b"WEBP" else "jpeg"
