"""Hyper-parameters by the size of the dataset: where to start, not where to end. What the configuration says wins."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from .config import TrainConfig

LARGE, HUGE = 1000, 10_000

Values = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a preset chose for a run, and why."""

    samples: int
    why: str
    chosen: Values
    """By section: what the preset set."""
    kept: Values
    """What it would have set, had the configuration not said otherwise; the configuration's values."""

    def lines(self) -> Iterator[str]:
        """Yield the choice in lines for people."""
        yield f"preset auto: {self.samples} train samples, {self.why}"
        yield "preset auto chose " + (_listed(self.chosen) or "nothing: the configuration says it all")
        if self.kept:
            yield f"preset auto left as configured: {_listed(self.kept)}"


def apply(config: TrainConfig, samples: int) -> tuple[TrainConfig, Choice | None]:
    """Return the settings with the preset's values where the configuration gave none; unchanged without a preset."""
    if config.preset == "none":
        return config, None
    why, wanted = suggested(samples, four_bits=config.sft.use_4bit)
    if "lora.r" in config.given:
        wanted["lora"]["alpha"] = 2.0 * config.lora.r
    if config.sft.lr_scheduler_type == "constant":
        del wanted["sft"]["warmup_ratio"]
    chosen: Values = {}
    kept: Values = {}
    for section, values in wanted.items():
        for key, value in values.items():
            given = f"{section}.{key}" in config.given
            into, shown = (kept, getattr(getattr(config, section), key)) if given else (chosen, value)
            into.setdefault(section, {})[key] = shown
    changed = {section: replace(getattr(config, section), **values) for section, values in chosen.items()}
    return replace(config, **changed), Choice(samples, why, chosen, kept)


def suggested(samples: int, *, four_bits: bool) -> tuple[str, Values]:
    """Return why, and what to start with for so many train samples.

    Few samples are learned by heart soon: small rank, low rate, dropout, and passes enough for some hundred steps.
    """
    if samples < 100:
        why = "few: small rank, low rate and dropout against learning by heart, many passes"
        values = _values(epochs=8.0, rate=5e-5, warmup=0.1, accumulation=4, r=8, dropout=0.1)
    elif samples <= LARGE:
        why = "some: a middle rank, dropout, a slow start"
        values = _values(epochs=5.0, rate=8e-5, warmup=0.1, accumulation=8, r=16, dropout=0.1)
    else:
        why = "many: a large rank, few passes" + (", a high rate" if samples > HUGE else "")
        rate = 2e-4 if samples > HUGE else 1e-4
        values = _values(epochs=3.0, rate=rate, warmup=0.03, accumulation=16, r=32, dropout=0.05)
    if four_bits:
        why += "; twice the rank for what 4 bits lose"
        values["lora"] |= {"r": 2 * values["lora"]["r"], "alpha": 2 * values["lora"]["alpha"]}
    return why, values


def _values(*, epochs: float, rate: float, warmup: float, accumulation: int, r: int, dropout: float) -> Values:
    sft = {"num_train_epochs": epochs, "learning_rate": rate, "warmup_ratio": warmup}
    lora = {"r": r, "alpha": 2.0 * r, "dropout": dropout}
    return {"sft": {**sft, "gradient_accumulation_steps": accumulation}, "lora": lora}


def _listed(values: Values) -> str:
    return ", ".join(f"{section}.{key} {value:g}" for section, each in values.items() for key, value in each.items())
