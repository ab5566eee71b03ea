"""A finished run as others find it: its `run.json` checked, and the base model that it was trained on."""

import json
from pathlib import Path
from typing import Any

import msgspec

from pipeline.exceptions import InputError
from pipeline.slicing.policy import Prompts
from pipeline.storage.manifest import Contract

from .rundir import LAST_GOOD, LOG, MARKER, RESULT

ADAPTER = "adapter/adapter_model.safetensors"
CONFIG = "adapter_config.json"
"""Stands in every folder of an adapter."""


class Training(msgspec.Struct, frozen=True):
    """What is read of the settings."""

    sft: dict[str, Any]


class Settings(msgspec.Struct, frozen=True):
    """The configuration of a run."""

    training: Training


class Finished(msgspec.Struct, frozen=True):
    """What is read of `run.json`; the rest of it is for people."""

    base: str
    model: str
    demo: bool
    contract: Contract
    config: Settings
    fingerprint: str
    prompts: Prompts | None = None
    model_files: dict[str, str] = {}
    """Digests of the base's files, where it was a local folder."""

    @property
    def sft(self) -> dict[str, Any]:
        """The settings of `training.sft`."""
        return self.config.training.sft


def read(folder: Path) -> Finished:
    """Return a finished run; raises InputError for any other folder, and for one that is damaged."""
    where = str(folder)
    if not folder.is_dir():
        raise InputError(where, "found no folder, expected a run of gdp train")
    if not (folder / RESULT).is_file():
        raise _no_run(folder)
    if not (folder / ADAPTER).is_file():
        raise InputError(where, f"found no {ADAPTER}, expected a finished run of gdp train")
    return document(folder / RESULT)


def _no_run(folder: Path) -> InputError:
    """Return what a folder without a result is, and what to do with it; an adapter is of use without its run, too."""
    where = str(folder)
    if (folder / MARKER).is_file():
        if not _failed(folder):
            hint = "the command that started it goes on from its last checkpoint"
            return InputError(where, "found a run that was not finished, expected one that was", hint)
        again = "change the configuration and train again"
        kept = f"{folder / LAST_GOOD} is its best adapter, which gdp evaluate and PEFT load; or {again}"
        hint = kept if (folder / LAST_GOOD).is_dir() else again
        return InputError(where, "found a run that a guard stopped, expected a finished one", hint)
    if (folder / CONFIG).is_file():
        if (folder.parent / RESULT).is_file():
            return InputError(where, "found the adapter of a run, expected the run", f"name {folder.parent}")
        hint = "gdp evaluate and PEFT load it as it is; PEFT's merge_and_unload merges it, unchecked"
        return InputError(where, "found an adapter without a finished run, expected a run of gdp train", hint)
    return InputError(where, f"found no {RESULT}, expected a run of gdp train", "gdp train writes runs")


def _failed(folder: Path) -> bool:
    """Tell whether the newest line of the log is that of a guard that stopped the run."""
    try:
        newest = json.loads((folder / LOG).read_bytes().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return False
    return isinstance(newest, dict) and newest.get("event") == "stop"


def document(path: Path) -> Finished:
    """Return what is in a `run.json`; raises InputError where it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Finished)
    except (OSError, ValueError) as error:  # msgspec's own errors are ValueErrors
        message = f"cannot read it ({error}), expected that of a finished run of gdp train"
        raise InputError(str(path), message) from error


def base_of(folder: Path, run: Finished) -> str:
    """Return where the base model of a run is; raises InputError for a local one that is gone."""
    if run.demo:
        return str(folder / "base")
    if run.model_files and not Path(run.base).is_dir():
        message = f"it was trained on the model folder {run.base}, which is not there, expected it in its place"
        raise InputError(str(folder), message, "put it back, or run the command where that path leads to it")
    return run.base


def changed(run: Finished) -> str | None:
    """Return the first file of the base that is not the one that the run was trained on, None if all are."""
    if not run.model_files:
        return None
    from train.models.model import files

    now = files(run.base)
    names = sorted(run.model_files.keys() | now.keys())
    return next((name for name in names if run.model_files.get(name) != now.get(name)), None)
