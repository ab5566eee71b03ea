"""transformers' Trainer with our loss, and a guard that stops a diverging run in the step where it happens."""

import functools
import math
from contextlib import nullcontext
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback, TrainingArguments

from pipeline.exceptions import StageError

from .config import TrainConfig
from .loss import token_losses
from .order import ByLength
from .tower import Tower
from .waiting import Waiting


class WeightedTrainer(Trainer):  # type: ignore[misc]
    """Loss per trained token over the whole accumulated batch; raises StageError on anything that is not finite."""

    def __init__(self, *, tower: Tower | None = None, **options: Any) -> None:
        # With a loss function Trainer counts the labels of all accumulated batches and leaves the scaling to us; the
        # function itself is never called, because `compute_loss` below is overridden.
        super().__init__(compute_loss_func=_never, **options)
        self._samples: list[str] = []
        self._tower = tower
        self.waiting = Waiting()
        """Says which share of the time training waits for data."""

    def get_batch_samples(self, *args: Any) -> Any:
        """Return the batches of a step, and measure how long that takes."""
        with self.waiting.running():
            return super().get_batch_samples(*args)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Return the order of the samples: those of one length together."""
        samples = self.train_dataset if train_dataset is None else train_dataset
        return ByLength(samples.lengths, self.args.train_batch_size, self.args.data_seed)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean weighted loss per trained token."""
        with self._tower.showing(inputs.get("pictures")) if self._tower else nullcontext():
            losses, outputs = token_losses(model, inputs)
        loss = losses.sum() / (len(losses) if num_items_in_batch is None else num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the schedule by `rate`: transformers' own warm-up begins with a step at a rate of 0."""
        warmup = int(num_training_steps * self.args.warmup_steps)
        kind = self.args.lr_scheduler_type.value
        share = functools.partial(rate, steps=num_training_steps, warmup=warmup, kind=kind)
        self.lr_scheduler: Any = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, share)
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Do one forward and backward pass; raises StageError where the loss is not finite."""
        self._samples = inputs["sample_ids"]
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not math.isfinite(float(loss)):
            raise self._diverged("loss", float(loss))
        return loss

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """Evaluate; raises StageError where the loss is not finite."""
        metrics: dict[str, float] = super().evaluate(*args, **options)
        if not math.isfinite(metrics["eval_loss"]):
            self._samples = []
            raise self._diverged("eval loss", metrics["eval_loss"])
        return metrics

    def _clip_grad_norm(self, model: Any) -> Any:
        """Clip, and look at the norm before clipping: with it the optimizer would spoil every weight in one step."""
        norm = super()._clip_grad_norm(model)
        self._check_norm(norm)
        return norm

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Look at the norm also where nothing is clipped (max_grad_norm 0)."""
        norm = super()._get_grad_norm(model, grad_norm)
        self._check_norm(norm)
        return norm

    def _check_norm(self, norm: Any) -> None:
        # The fp16 loss scaler meets infinite gradients on purpose and skips those steps by itself.
        if norm is not None and not self.args.fp16 and not math.isfinite(float(norm)):
            raise self._diverged("gradient norm", float(norm))

    def _diverged(self, what: str, value: float) -> StageError:
        at = f"step {self.state.global_step + bool(self._samples)}"
        if self._samples:
            at += f" (samples {', '.join(self._samples[:3])})"
        message = f"the {what} is {value} at {at}, expected a number"
        return StageError("training", message, "lower learning_rate, or raise warmup_ratio; no adapter was saved")


def rate(step: int, *, steps: int, warmup: int, kind: str) -> float:
    """Return the learning rate in a step, counted from 0, as a share of its peak; above 0 in each of the steps."""
    if kind == "constant":
        return 1.0
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / (steps - warmup)
    return {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done}.get(kind, 1.0)


def _never(*_: Any, **__: Any) -> torch.Tensor:
    raise AssertionError("compute_loss is overridden")


def arguments(config: TrainConfig, *, folder: str, seed: int, max_steps: int | None, precision: str) -> Any:
    """Return transformers' settings for ours."""
    sft = config.sft
    every = sft.eval_steps if sft.eval_steps < 1 else int(sft.eval_steps)
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=sft.num_train_epochs,
        max_steps=-1 if max_steps is None else max_steps,
        learning_rate=sft.learning_rate,
        per_device_train_batch_size=sft.per_device_train_batch_size,
        per_device_eval_batch_size=1,  # so that eval loss is the mean over samples, whatever the batch size
        gradient_accumulation_steps=sft.gradient_accumulation_steps,
        warmup_steps=sft.warmup_ratio,  # a share of the steps, see `create_scheduler`
        lr_scheduler_type=sft.lr_scheduler_type,
        weight_decay=sft.weight_decay,
        max_grad_norm=sft.max_grad_norm,
        optim=sft.optim,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        data_seed=seed,
        logging_steps=sft.logging_steps,
        logging_nan_inf_filter=False,
        eval_strategy="steps",
        eval_steps=every,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=sft.save_total_limit,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        dataloader_num_workers=sft.dataloader_num_workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
    )


def make(
    model: Any,
    args: Any,
    examples: tuple[Any, Any],
    collator: Any,
    callback: TrainerCallback,
    tower: Tower | None = None,
) -> Any:
    """Return the trainer for the train and val examples; nothing of it prints but the callback.

    A tower is needed where the collator shows each picture once.
    """
    trainer = WeightedTrainer(
        tower=tower,
        model=model,
        args=args,
        train_dataset=examples[0],
        eval_dataset=examples[1],
        data_collator=collator,
        callbacks=[callback],
    )
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    return trainer
