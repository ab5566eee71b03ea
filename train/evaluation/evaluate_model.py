"""The models of `gdp evaluate`: a run's base and adapter, or any model, answering the samples of a dataset."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.dataset import Dataset
from pipeline.exceptions import ContractError, InputError, StageError
from pipeline.manifest import Contract
from pipeline.records import Sample
from train.config import SftConfig
from train.folder.rundir import RESULT
from train.quiet import quietly
from train.run import require
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

    Raises InputError or ContractError for a folder that is neither, or a model that contradicts the dataset.
    """
    base, adapter, warnings = locate(model, dataset)
    require(base)
    with quietly(verbose=options.verbose):
        return _answers(dataset, samples, (base, adapter), options, progress), warnings


def locate(model: str, dataset: Dataset) -> tuple[str, Path | None, list[str]]:
    """Return the base model and the adapter's folder, None without one; raises InputError for any other folder."""
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
    result = _json(folder / RESULT)
    adapter = folder / "adapter"
    missing = [key for key in ("base", "demo", "contract") if key not in result]
    if missing or not (adapter / ADAPTER).is_file():
        lacking = f"no {missing[0]} in {RESULT}" if missing else f"no adapter/{ADAPTER}"
        raise InputError(str(folder), f"found {lacking}, expected a finished run of gdp train")
    _agree(folder, result["contract"], dataset)
    warnings = []
    prompts = _plain(dataset.manifest.prompts)
    if result.get("prompts", prompts) != prompts:
        warnings.append("the dataset's prompts are not those that the run was trained with")
    if _settings(adapter).get("images") == "placeholder":
        warnings.append("the run was trained with placeholders instead of screenshots; here it is shown the real ones")
    return (str(folder / "base") if result["demo"] else str(result["base"])), adapter, warnings


def _settings(adapter: Path) -> dict[str, Any]:
    """Return `training.sft` of the run that an adapter lies in; nothing where it lies elsewhere."""
    if not (adapter.parent / RESULT).is_file():
        return {}
    found = _json(adapter.parent / RESULT).get("config", {}).get("training", {}).get("sft", {})
    return found if isinstance(found, dict) else {}


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

    from .generate import Generator, longest

    name, adapter = places
    base = models.find(name, dataset, Path(name))
    encoder = Encoder(base.processor, dataset.manifest.contract, base.name)
    items = [Item(sample.sample_id, sample.messages, sample.images) for sample in samples]
    most = options.max_new_tokens or longest(encoder, items)
    generator = Generator(dataset, encoder, base.processor, batch_size=options.batch_size, max_new_tokens=most)
    progress.say(f"evaluate: {len(items)} samples, answers of at most {most} tokens")
    model = models.load(base, _loading(adapter))
    if adapter is None:
        return [_answer("model", generator, model, items, progress)]
    import peft

    try:
        model = peft.PeftModel.from_pretrained(model, str(adapter)).eval()
    except (ValueError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise StageError(str(adapter), f"cannot load the adapter ({reason}), expected one for {base.name}") from error
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
