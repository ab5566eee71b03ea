"""The models of `gdp evaluate`: a run's base and adapter, or any model, answering the samples of a dataset."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.exceptions import ConfigError, ContractError, InputError
from pipeline.records import Sample
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Contract
from pipeline.terminal import numbered
from train.config import SftConfig
from train.folder import finished
from train.folder.rundir import RESULT
from train.quiet import quietly
from train.run import require, require_name
from train.watching.progress import Progress

from .evaluate_answers import Answers, EvaluateOptions

if TYPE_CHECKING:
    from train.encoding.data import Item

    from .generate import Generator

ADAPTER = "adapter_model.safetensors"


def answers(
    dataset: Dataset, samples: list[Sample], model: str, options: EvaluateOptions, progress: Progress
) -> tuple[list[Answers], list[str]]:
    """Return what the base and the adapter of a run, or a model alone, answer; and what should be warned of.

    Raises InputError or ContractError for a folder that is neither, or a model that contradicts the dataset, and
    ConfigError where nobody would be left to answer.
    """
    base, adapter, warnings = locate(model, dataset)
    if adapter is None and not options.base:
        raise ConfigError("--no-base", f"found it with {model}, which has no adapter, expected a run", "leave it out")
    require(base)
    with quietly(verbose=options.verbose):
        if adapter is not None and (adapter.parent / RESULT).is_file():
            warnings += _other_base(adapter.parent)
        return _answers(dataset, samples, (base, adapter), options, progress), warnings


def locate(model: str, dataset: Dataset) -> tuple[str, Path | None, list[str]]:
    """Return the base model and the adapter's folder, None without one; raises InputError for any other folder.

    A name of no letter is a ConfigError.
    """
    require_name(model)
    folder = Path(model)
    if not folder.is_dir():
        return model, None, []
    if (folder / RESULT).is_file():
        return _run(folder, dataset)
    if (folder / "adapter_config.json").is_file():
        named = str(_json(folder / "adapter_config.json").get("base_model_name_or_path") or "")
        if not (folder / ADAPTER).is_file() or not named:
            raise InputError(model, f"found no {ADAPTER}, or no base model named, expected a complete adapter")
        beside = folder.parent / named  # the built-in model lies beside its adapter
        return (str(beside) if beside.is_dir() else named), folder, []
    if (folder / "config.json").is_file():
        return model, None, []
    hint = "gdp train writes runs; a run that was not finished has no run.json"
    raise InputError(model, f"found no {RESULT}, no adapter and no config.json, expected a run or a model folder", hint)


def _run(folder: Path, dataset: Dataset) -> tuple[str, Path, list[str]]:
    trained = finished.read(folder)
    base = finished.base_of(folder, trained)
    _agree(folder, _plain(trained.contract), dataset)
    warnings = []
    if trained.prompts is not None and trained.prompts != dataset.manifest.prompts:
        warnings.append("the dataset's prompts are not those that the run was trained with")
    if trained.sft.get("images") == "placeholder":
        warnings.append("the run was trained with placeholders instead of screenshots; here it is shown the real ones")
    return base, folder / "adapter", warnings


def _other_base(folder: Path) -> Iterator[str]:
    """Yield a warning where the base's files are not those that the run was trained on."""
    trained = finished.document(folder / RESULT)
    if not trained.demo and (name := finished.changed(trained)) is not None:
        yield f"{name} in {trained.base} is not the one that the run was trained on: these answers are of another model"


def _settings(adapter: Path) -> dict[str, Any]:
    """Return `training.sft` of the run that an adapter lies in; nothing where it lies elsewhere."""
    if not (adapter.parent / RESULT).is_file():
        return {}
    return finished.document(adapter.parent / RESULT).sft


def _loading(adapter: Path | None) -> SftConfig:
    """Return how to load the base: quantised where the adapter was trained on it so, else as a plain model."""
    found = {} if adapter is None else _settings(adapter)
    return SftConfig(use_4bit=bool(found.get("use_4bit")), use_8bit=bool(found.get("use_8bit")))


def _agree(folder: Path, trained: dict[str, Any], dataset: Dataset) -> None:
    """Raise ContractError where the dataset shows a model something else than it was trained on."""
    agreed: Contract = dataset.manifest.contract
    now = _plain(agreed)
    for key in ("layout", "family", "coordinates", "scale", "factor", "max_pixels", "max_dim", "history"):
        if trained.get(key) != now[key]:
            message = f"the run was trained with {key} {trained.get(key)}, the dataset {dataset.path} has {now[key]}"
            hint = "slice the trajectories as for the run's own dataset"
            raise ContractError(str(folder), message, hint)


def _plain(record: msgspec.Struct) -> dict[str, Any]:
    """Return the record as it reads in a file of JSON."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return document


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"cannot read it ({error}), expected JSON") from error
    if not isinstance(document, dict):
        raise InputError(str(path), "found no object, expected one")
    return document


def _answers(
    dataset: Dataset, samples: list[Sample], places: tuple[str, Path | None], options: EvaluateOptions,
    progress: Progress,
) -> list[Answers]:  # fmt: skip
    from train.encoding.data import Encoder, Item
    from train.models import model as models
    from train.outputs.adapter import put_on

    from .generate import Generator, longest

    name, adapter = places
    base = models.find(name, dataset, Path(name))
    encoder = Encoder(base.processor, dataset.manifest.contract, base.name)
    items = [Item(sample.sample_id, sample.messages, sample.images) for sample in samples]
    most = options.max_new_tokens or longest(encoder, items)
    generator = Generator(dataset, encoder, base.processor, batch_size=options.batch_size, max_new_tokens=most)
    progress.say(f"evaluate: {numbered(len(items), 'sample')}, answers of at most {most} tokens")
    model = models.load(base, _loading(adapter))
    if adapter is None:
        return [_answer("model", generator, model, items, progress)]
    model = put_on(model, adapter)
    found = []
    if options.base:
        with model.disable_adapter():
            found.append(_answer("base", generator, model, items, progress))
    return [*found, _answer("adapter", generator, model, items, progress)]


def _answer(name: str, generator: "Generator", model: Any, items: "list[Item]", progress: Progress) -> Answers:
    def told(done: int) -> None:
        progress.counted(f"evaluate: {name}", done, len(items))

    said = generator.answers(model, items, told)
    progress.clear()
    pairs = list(zip(items, said, strict=True))
    cut = frozenset(item.sample_id for item, answer in pairs if answer.truncated)
    return Answers(name, {item.sample_id: answer.text for item, answer in pairs}, cut)
