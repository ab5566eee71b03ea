"""A run's model examined: at each evaluation it answers a few val samples, and the metrics stand beside the loss."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from pipeline.exceptions import ConfigError, OutputError
from pipeline.seeds import digest
from pipeline.storage.place import Place
from train.encoding.data import Encoder, Item
from train.encoding.source import Source
from train.folder import rundir
from train.metrics import Case, Verdict, cases, judge, presets, summarize
from train.plan import Plan

from . import drawing, evalconfig
from .evaluate_answers import spread
from .generate import Answer, Generator, longest

LONGEST = 200
"""Bytes of a file's name; most file systems take 255."""


class Examination:
    """The same samples, evenly spread over the val split, at each evaluation."""

    def __init__(
        self, source: Source, asked: Sequence[tuple[Case, Item]], generator: Generator,
        config: evalconfig.EvalConfig, out: Path,
    ) -> None:  # fmt: skip
        self._source = source
        self._asked = asked
        self._generator = generator
        self._config = config
        self._out = out
        self._shown = {item.sample_id for _, item in spread(asked, config.keep)} if config.keep else set()

    @classmethod
    def of(cls, source: Source, plan: Plan, config: evalconfig.EvalConfig, out: Path) -> "Examination | None":
        """Return the examination of a run, None where its configuration asks for none.

        Raises ConfigError where the chosen metric can be asked of none of the samples.
        """
        # A prompt needs no weights within the answer; without them all of it is trained, which tells where it begins.
        items = [replace(item, runs=None) for item in spread(plan.val, config.samples or 0)]
        if not items:
            return None
        names = {item.sample_id for item in items}
        made = {case.sample_id: case for case in cases(source, _named(source, names))}
        asked = [(made[item.sample_id], item) for item in items]
        preset = presets.get(config.preset)
        there = summarize([(case, judge(case, case.response, preset)) for case, _ in asked], grouped=False).rates
        if config.metric not in {evalconfig.LOSS, *there}:
            message = f"found {config.metric}, which none of the {len(items)} samples can be asked, expected "
            raise ConfigError("training.eval.metric", f"{message}{evalconfig.LOSS} or one of {', '.join(there)}")
        encoder = Encoder(plan.base.processor, source.manifest.contract, plan.base.name)
        most = config.max_new_tokens or longest(encoder, items)
        generator = Generator(source, encoder, plan.base.processor, batch_size=config.batch_size, max_new_tokens=most)
        return cls(source, asked, generator, config, out)

    def __call__(
        self,
        model: Any,
        step: int,
        *,
        write: bool = True,
        told: Callable[[int], None] | None = None,
        token: Callable[[], None] | None = None,
    ) -> dict[str, float]:
        """Return the metrics of the model's answers by their names in the log; keep a few answers and pictures.

        `told` and `token` hear of the answers, as `Generator.answers` says.
        """
        said = self._generator.answers(model, [item for _, item in self._asked], told, token)
        preset = presets.get(self._config.preset)
        judged = [(case, judge(case, answer.text, preset)) for (case, _), answer in zip(self._asked, said, strict=True)]
        if write:
            self._keep(step, judged, said)
        summary = summarize(judged, grouped=False)
        rates = {f"eval_{name}": rate.value for name, rate in summary.rates.items()}
        return {**rates, "eval_cut_off": sum(answer.truncated for answer in said) / len(said)}

    def _keep(self, step: int, judged: Sequence[tuple[Case, Verdict]], said: Sequence[Answer]) -> None:
        """Add the answers to the file, in place of those that an interrupted run left of this step or later ones."""
        kept = list(_before(self._out / rundir.ANSWERS, step))
        for (case, verdict), answer in zip(judged, said, strict=True):
            if case.sample_id in self._shown:
                row = {"step": step, "sample_id": case.sample_id, "response": answer.text, "truth": case.response,
                       **{key: value for key, value in asdict(answer).items() if key != "text"},
                       "verdict": msgspec.to_builtins(verdict)}  # fmt: skip
                kept.append(json.dumps(row, ensure_ascii=False))
                if case.image is not None:
                    picture = self._out / rundir.PICTURES / f"step-{step:06d}" / f"{file_name(case.sample_id)}.png"
                    drawing.save(picture, self._source, case, verdict, answer.text)
        Place(str(self._out)).write(rundir.ANSWERS, "".join(f"{line}\n" for line in kept).encode(), "train")


def file_name(sample_id: str) -> str:
    """Return a sample's id as a file's name; a long one is cut, and told from others by a hash.

    >>> file_name("notes/0001+tap_dead")
    'notes_0001+tap_dead'
    """
    name = "".join(letter if letter.isalnum() or letter in "-+." else "_" for letter in sample_id)
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name.encode()[:LONGEST].decode(errors='ignore')}-{digest('picture', sample_id).hex()[:8]}"


def _before(path: Path, step: int) -> Iterator[str]:
    """Yield the lines of earlier steps; raises OutputError for one that is broken. An answer may hold U+2028."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            if line and json.loads(line)["step"] < step:
                yield line.decode()
        except (ValueError, KeyError, TypeError) as error:
            message = "found a broken line, expected an answer of this run"
            raise OutputError(f"{path}:{number}", message, "remove the file; the same command goes on") from error


def _named(source: Source, names: set[str]) -> list[Any]:
    return [sample for sample in source.samples("val") if sample.sample_id in names]
