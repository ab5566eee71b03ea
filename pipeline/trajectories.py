"""Read trajectories: find the files, decode and check each, keep what is good of a broken one.

The only module that knows how trajectories lie on disk: a folder with `trajectory.json` and its pictures, or a
`*.jsonl` file (one trajectory a line) beside its pictures, at any depth.
"""

import errno
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from .exceptions import InputError
from .records import Observation, Step, Trajectory
from .schema_errors import findings, json_path
from .storage.manifest import MANIFEST
from .storage.place import Place

FILE_NAME = "trajectory.json"
REJECTED_NAME = "rejected.jsonl"
"""What `gdp import` refused; no trajectories."""
IMPORT_REPORT = "import.json"
"""The last file that `gdp import` writes."""
IMPORT_STATE = ".gdp/import.json"
"""There while an import runs, and after one that did not finish."""


class Document(Struct, frozen=True):
    """Where one trajectory is written: a file, and a line of it (from 1) if it is JSON Lines."""

    path: str
    line: int | None = None
    offset: int = 0
    size: int | None = None

    @property
    def where(self) -> str:
        """The place as people write it."""
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def read(self, source: Place) -> bytes:
        """Return the JSON text; raises OSError."""
        if "\\" in self.path:
            raise OSError(errno.EILSEQ, "its name has a backslash or is no UTF-8")
        source.require_plain(self.path)
        return source.read(self.path, self.offset, self.size)

    @property
    def folder(self) -> str:
        """The folder that picture paths are relative to."""
        return str(PurePosixPath(self.path).parent)


class Problem(Struct, frozen=True):
    """Why something was refused."""

    code: str
    where: str
    message: str
    step_index: int | None = None


class Loaded(Struct, frozen=True):
    """A trajectory as far as it could be read, and what was wrong with it."""

    document: Document
    trajectory: Trajectory | None
    """Without the first broken step and those after it, whose history it would be; None if nothing is usable."""
    problems: tuple[Problem, ...] = ()
    n_steps: int = 0
    """Steps that the file holds, good or not."""


NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for text that is no JSON, or JSON nested beyond reason."""


def find(source: Place) -> list[Document]:
    """Return every trajectory under the folder, in a fixed order.

    Raises InputError if the folder is missing, is no folder, or holds no trajectory.
    """
    if not source.exists():
        raise InputError(str(source), "found nothing there, expected a folder of trajectories", "check the path")
    if source.local is not None and not source.local.is_dir():
        folder = source.local.parent
        raise InputError(str(source), "found a file, expected a folder of trajectories", f"try {folder}")
    if source.size(IMPORT_STATE) is not None:
        message = "found an import that did not finish, expected a finished one"
        raise InputError(str(source), message, "run the same `gdp import` again; it goes on from there")
    documents = [document for name in _files(source) for document in _documents(source, name)]
    documents += map(Document, sorted(source.links_out()))  # `load` refuses them, so that nothing is passed over
    if not documents:
        hint = None
        if source.size(MANIFEST) is not None:
            hint = "this is a dataset that `gdp slice` wrote; give its trajectories instead"
        raise InputError(str(source), f"found no trajectory, expected {FILE_NAME} or *.jsonl files under it", hint)
    return documents


def load(source: Place, document: Document) -> Loaded:
    """Read and check one trajectory; problems are returned, not raised."""
    try:
        data = document.read(source)
    except OSError as error:
        message = f"found a file that cannot be read ({error.strerror or error}), expected a JSON object"
        return Loaded(document, None, (Problem("unreadable", document.where, message),))
    return check(document, data)


def check(document: Document, data: bytes) -> Loaded:
    """Decode and check the text of one trajectory; problems are returned, not raised.

    The typed decoder accepts exactly what the JSON Schema accepts (a test holds both together) at a hundredth of the
    cost, so the schema is asked only about documents that the decoder refuses: to say what is wrong, and where.
    """
    try:
        trajectory = msgspec.json.decode(data, type=Trajectory)
    except msgspec.ValidationError as refusal:
        try:
            raw = msgspec.json.decode(data)
        except NO_JSON as error:  # the typed decoder stops at the first wrong type, before it sees all the text
            return Loaded(document, None, (_malformed(document, data, error),))
        return _salvage(document, raw, str(refusal))
    except NO_JSON as error:
        return Loaded(document, None, (_malformed(document, data, error),))
    return _checked(document, trajectory)


def _checked(document: Document, trajectory: Trajectory) -> Loaded:
    broken = next(_step_problems(document, trajectory), None)
    if broken is None:
        return Loaded(document, trajectory, (), len(trajectory.steps))
    return _cut(document, trajectory, len(trajectory.steps), (broken,))


def _files(source: Place) -> list[str]:
    """Return the names of the files with trajectories, in an order that does not depend on where they lie."""
    names = (name.encode("utf-8", "backslashreplace").decode() for name in source.files())
    paths = (PurePosixPath(name) for name in names)
    wanted = (
        path
        for path in paths
        if (path.name == FILE_NAME or path.suffix == ".jsonl") and not any(part.startswith(".") for part in path.parts)
    )
    return [path.as_posix() for path in sorted(wanted, key=lambda path: path.parts) if not _is_refuse(source, path)]


def _is_refuse(source: Place, path: PurePosixPath) -> bool:
    """Tell whether the file is the list of what an import refused, which stands beside its report."""
    return path.name == REJECTED_NAME and source.size(str(path.with_name(IMPORT_REPORT))) is not None


def _documents(source: Place, name: str) -> Iterator[Document]:
    if PurePosixPath(name).name == FILE_NAME:
        yield Document(name)
        return
    offset = 0
    try:
        source.require_plain(name)
        for number, line in enumerate(source.lines(name), start=1):
            if line.strip():
                yield Document(name, number, offset, len(line))
            offset += len(line)
    except OSError:
        yield Document(name)  # loading it will say why


def _malformed(document: Document, data: bytes, error: Exception) -> Problem:
    if not data.strip():
        return Problem("json_broken", document.where, "found an empty file, expected a JSON object")
    try:
        data.decode()
    except UnicodeDecodeError as broken:
        return Problem("json_broken", document.where, f"found byte {broken.start} that is no UTF-8, expected JSON text")
    if data.startswith(b"\xef\xbb\xbf"):
        return Problem("json_broken", document.where, "found a byte order mark, expected JSON text without one")
    return Problem("json_broken", document.where, f"found broken JSON ({error}), expected a JSON object")


def _salvage(document: Document, raw: Any, refusal: str) -> Loaded:
    """Find what the schema refuses and keep the steps before the first refused one."""
    n_steps = len(raw["steps"]) if isinstance(raw, dict) and isinstance(raw.get("steps"), list) else 0
    problems = tuple(
        Problem("schema", f"{document.where}: {json_path(path)}", message, _step_of(path))
        for path, message in findings("trajectory", raw)
    )
    if not problems:  # whole numbers written as 360.0: the schema takes them for integers, as JSON does
        return _whole(document, raw, refusal)
    first = min((p.step_index for p in problems if p.step_index is not None), default=None)
    if first is None or any(p.step_index is None for p in problems) or first == 0:
        return Loaded(document, None, problems, n_steps)
    raw["steps"] = raw["steps"][:first]
    raw.pop("final_observation", None)
    trajectory = msgspec.convert(raw, type=Trajectory, strict=False)  # its types are the schema's already
    return _cut(document, trajectory, n_steps, problems)


def _whole(document: Document, raw: Any, refusal: str) -> Loaded:
    try:
        trajectory = msgspec.convert(raw, type=Trajectory, strict=False)
    except msgspec.ValidationError:
        return Loaded(document, None, (Problem("schema", document.where, refusal),))
    return _checked(document, trajectory)


def _cut(document: Document, trajectory: Trajectory, n_steps: int, problems: tuple[Problem, ...]) -> Loaded:
    """Keep the steps before the first broken one: those after it would show it as their history."""
    first = min(problem.step_index for problem in problems if problem.step_index is not None)
    deeper = next(_step_problems(document, trajectory), None)
    if deeper is not None and deeper.step_index is not None and deeper.step_index < first:
        first, problems = deeper.step_index, (deeper, *problems)
    if first == 0:
        return Loaded(document, None, problems, n_steps)
    kept = msgspec.structs.replace(trajectory, steps=trajectory.steps[:first], final_observation=None)
    return Loaded(document, kept, problems, n_steps)


def _step_of(path: tuple[str | int, ...]) -> int | None:
    return path[1] if len(path) > 1 and path[0] == "steps" and isinstance(path[1], int) else None


def _step_problems(document: Document, trajectory: Trajectory) -> Iterator[Problem]:
    """Yield what a schema cannot say: the order of steps and of box corners, and parents that exist."""
    for position, step in enumerate(trajectory.steps):
        at = f"{document.where}: $.steps[{position}]"
        if step.index != position:
            yield Problem("step_order", f"{at}.index", f"found {step.index}, expected {position}", position)
        corrected = step.label.corrects_step
        if corrected is not None and corrected >= position:
            message = f"found {corrected}, expected an earlier step than {position}"
            yield Problem("step_order", f"{at}.label.corrects_step", message, position)
        yield from _box_problems(f"{at}.observation", step.observation, position)
        yield from _action_box_problems(at, step, position)


def _box_problems(at: str, observation: Observation, position: int) -> Iterator[Problem]:
    for number, element in enumerate(observation.elements):
        x1, y1, x2, y2 = element.bbox
        if x2 < x1 or y2 < y1:
            message = f"found {list(element.bbox)}, expected [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2"
            yield Problem("box_order", f"{at}.elements[{number}].bbox", message, position)
        if element.parent is not None and element.parent >= len(observation.elements):
            message = f"found {element.parent}, expected an index below {len(observation.elements)}"
            yield Problem("element_parent", f"{at}.elements[{number}].parent", message, position)


def _action_box_problems(at: str, step: Step, position: int) -> Iterator[Problem]:
    for number, action in enumerate(step.actions):
        box = getattr(action, "bbox", None)
        if box is not None and (box[2] < box[0] or box[3] < box[1]):
            message = f"found {list(box)}, expected [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2"
            yield Problem("box_order", f"{at}.actions[{number}].bbox", message, position)
