"""What a key of the training configuration changes, each seen as near to where it acts as is cheap."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.exceptions import ConfigError
from pipeline.storage.dataset import Dataset
from pipeline.yamlfile import read
from train import presets, trainer
from train.config import DEMO, TrainConfig, load
from train.encoding.data import Collator, Examples
from train.evaluation.examination import Examination
from train.evaluation.generate import Answer
from train.models import hardware, model, rates
from train.plan import make_plan
from train.run import RunOptions
from train.steps import Steps
from train.watching.guards import Guards
from train.watching.log import Log
from train.watching.progress import Progress

SILENT = Progress(quiet=True, bar=False)


@dataclass
class World:
    """A dataset, a model, and a folder for the files of a test."""

    folder: Path
    dataset: Dataset
    base: Any
    files: int = 0

    def config(self, keys: dict[str, Any]) -> TrainConfig:
        """Return the demonstration's settings with these keys, read from a file as users have it."""
        document = read(DEMO)
        for name, value in keys.items():
            *section, key = name.split(".")
            into = document["training"].setdefault(section[0], {}) if section else document["training"]
            into[key] = value
        self.files += 1
        path = self.folder / f"{self.files}.yaml"
        path.write_text(json.dumps(document))
        return load(path)


def plan(world: World, config: TrainConfig) -> Any:
    """Return the plan."""
    return make_plan(world.dataset, world.folder, config, RunOptions(), "fp32", SILENT)


def adapted(world: World, config: TrainConfig, *, real: bool = False) -> Any:
    """Return the model with what learns on it, without numbers unless they are needed."""
    made = model.load(world.base, config.sft) if real else model.skeleton(world.base).requires_grad_(False)
    return model.add_lora(made, model.targets(world.base, config), config.lora, config.sft)


def runner(world: World, config: TrainConfig) -> Any:
    """Return a trainer that has not begun."""
    decided = plan(world, config)
    examples = tuple(Examples(world.dataset, decided.encoder, each) for each in (decided.train, decided.val))
    options = trainer.arguments(config, folder=str(world.folder), seed=0, max_steps=1, precision="fp32")
    options.eval_strategy, options.load_best_model_at_end = "no", False
    collator = Collator(world.base.processor, decided.encoder.frame)
    made, log = adapted(world, config, real=True), Log(None, SILENT)
    return trainer.make(made, options, examples, collator, log, rates=rates.of_parts(config.sft))


def lora(world: World, config: TrainConfig) -> Any:
    """Return the number of weights that learn, and scaling and modules of the first adapted layer."""
    made = adapted(world, config)
    layer = next(module for module in made.modules() if hasattr(module, "lora_A"))
    learning = sum(p.numel() for p in made.parameters() if p.requires_grad)
    return learning, layer.scaling["default"], sorted({type(each).__name__ for each in layer.modules()})


def checkpointing(world: World, config: TrainConfig) -> bool:
    """Return whether layers are computed again on the way back."""
    return any(getattr(module, "gradient_checkpointing", False) for module in adapted(world, config).modules())


def frozen(world: World, config: TrainConfig) -> Any:
    """Return how the frozen weights are held and attention is computed."""
    made = model.load(world.base, config.sft)
    layer = made.get_submodule("model.language_model.layers.0.mlp.up_proj")
    return type(layer).__name__, str(made.dtype), made.config._attn_implementation


def device(world: World, config: TrainConfig) -> str:
    """Return the device, or why it cannot be had."""
    try:
        return hardware.of(config.sft).device
    except ConfigError as error:
        return str(error)


def optimizer(world: World, config: TrainConfig) -> Any:
    """Return the optimizer's class and groups, and the shares of the rate in ten steps."""
    made = runner(world, config)
    made.create_optimizer_and_scheduler(10)
    groups = [(group.get("name"), group["initial_lr"], group["weight_decay"]) for group in made.optimizer.param_groups]
    return type(made.optimizer).__name__, groups, [made.lr_scheduler.lr_lambdas[0](step) for step in range(10)]


def first_step(world: World, config: TrainConfig) -> Any:
    """Return how many samples each pass of the first step takes, and the norm of the gradient as it is taken."""
    made = runner(world, config)
    made.create_optimizer()
    norms: list[float] = []

    def before(optimizer: Any, *_: Any) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))

    made.optimizer.register_step_pre_hook(before)
    sizes: list[int] = []
    made.meter.batch = lambda inputs: sizes.append(len(inputs["sample_ids"]))
    made.train()
    return sizes, round(norms[0], 4)


def workers(world: World, config: TrainConfig) -> int:
    """Return how many processes decode screenshots."""
    return int(runner(world, config).get_train_dataloader().num_workers)


def chosen(world: World, config: TrainConfig) -> Any:
    """Return how many samples are refused, and how many screenshots are shown."""
    decided = plan(world, config)
    return sum(decided.refused["train"].values()), sum(len(item.images) for item in decided.train)


def weights(world: World, config: TrainConfig) -> Any:
    """Return the different weights of the tokens of the first sample."""
    decided = plan(world, config)
    return set(decided.encoder.tokens(decided.train[0])[0].weights)


def steps(world: World, config: TrainConfig) -> Any:
    """Return the number of steps, which the dry run and Trainer count alike."""
    return Steps.of(12, config, None)


def preset(world: World, config: TrainConfig) -> Any:
    """Return what learns after the preset has chosen."""
    return presets.apply(config, 12)[0]


RUNS: dict[str, tuple[list[float], list[float]]] = {
    "spikes": ([2, 2, 2, 9, *[2] * 10, 9, *[2] * 9, 7, *[2] * 4], []),
    "nothing learned": ([*[2.0] * 24, *[1.99] * 24], []),
    "learned by heart": ([2 - step / 30 for step in range(48)], [2.0, 2.2, 2.4, 2.6]),
    "lost": ([*[2] * 12, *[5.5] * 12], []),
}
"""Train losses of each step of runs that go wrong, and eval losses at every sixth."""


def verdicts(world: World, config: TrainConfig) -> Any:
    """Return run, step, guard and action of every finding."""
    told = []
    for name, (losses, evals) in RUNS.items():
        guards = Guards(config.guards, uniform=2.0)
        found = guards.evaluation(0, 3.2)
        guards.begin(steps=len(losses), warmup=0)
        for step, loss in enumerate(losses, 1):
            found += guards.step(step, loss, 12.0)
            if step % 6 == 0 and step <= 6 * len(evals):
                found += guards.evaluation(step, evals[step // 6 - 1])
        told += [(name, each.step, each.guard, each.action) for each in found if each.action != "off"]
    return told


ANSWER = """<thinking>
Here.
</thinking>
<tool_call>
{"name": "mobile_use", "arguments": {"action": "click", "coordinate": [330, 700]}}
</tool_call>"""


class Fixed:
    """Stands in for the model: presses at 8 % of the width beside one of the buttons, whatever it is asked."""

    def answers(self, model: Any, items: Any, *_: Any) -> list[Answer]:
        """Answer every item alike."""
        return [Answer(ANSWER, 5, False) for _ in items]


def examined(world: World, config: TrainConfig) -> Any:
    """Return the metrics of answers a little beside the target."""
    asked = Examination.of(world.dataset, plan(world, config), config.eval, world.folder)
    assert asked is not None
    asked._generator = Fixed()  # type: ignore[assignment]
    return asked(None, 0, write=False)
