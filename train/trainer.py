"""transformers' Trainer with our loss, which shows every step to the guards before the optimizer takes it."""

import functools
import math
import signal
import statistics
import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments

from .config import TrainConfig
from .encoding.order import ByLength
from .encoding.tokens import IGNORED
from .folder.resume import ResumableTrainer
from .models import rates as rates_of
from .models.gradients import GradientCheck
from .models.loss import token_losses
from .models.parts import Part
from .models.tower import Tower
from .models.vision import workers
from .watching.guards import GuardConfig
from .watching.log import Log
from .watching.meter import Meter
from .watching.watch import Watch


class WeightedTrainer(ResumableTrainer):
    """Loss per trained token over the whole accumulated batch; raises GuardStopError where a guard stops the run."""

    examination: Callable[..., dict[str, float]] | None = None
    """Asked at each evaluation for the metrics of the model's answers."""

    def __init__(
        self,
        *,
        watch: Watch,
        rates: Mapping[Part, float],
        gradients: GradientCheck,
        tower: Tower | None = None,
        **options: Any,
    ) -> None:
        # With a loss function Trainer counts the labels of all accumulated batches and leaves the scaling to us; the
        # function itself is never called, because `compute_loss` below is overridden.
        super().__init__(compute_loss_func=_never, **options)
        self.watch = watch
        self.meter = Meter()
        self._parts = rates
        self._gradients = gradients
        self.add_callback(gradients)
        self._tower = tower
        self._batches: list[tuple[list[str], torch.Tensor]] = []
        self._rates: dict[str, float] = {}
        self._weights: list[float] = []
        self._iterators: weakref.WeakSet[Any] = weakref.WeakSet()

    def get_batch_samples(self, *args: Any) -> Any:
        """Return the batches of a step, and measure how long that takes: the device has nothing to do meanwhile."""
        with self.meter.waiting.running():
            return super().get_batch_samples(*args)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Return the order of the samples: those of about one length in a batch, of all lengths in a step."""
        samples = self.train_dataset if train_dataset is None else train_dataset
        args = self.args
        dealt = {"passes": args.gradient_accumulation_steps, "processes": args.world_size}
        return ByLength(samples.lengths, args.train_batch_size, args.data_seed, **dealt)

    def get_train_dataloader(self) -> Any:
        """Return the batches to train on."""
        return self._followed(super().get_train_dataloader())

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Return the batches to evaluate on."""
        return self._followed(super().get_eval_dataloader(eval_dataset))

    def _followed(self, loader: Any) -> Any:
        """Return the loader; its iterators are known, so that none of their workers outlives training.

        The seeds that it hands to its workers are of a generator of its own: drawn from the global one, they would move
        dropout, once an epoch or once a run as workers live on or not, and a resumed run would be another.
        """
        inner = _innermost(leave_signals_to_us(loader))
        inner.generator = torch.Generator().manual_seed(self.args.data_seed)
        iterate = inner._get_iterator

        def iterator() -> Any:
            made = iterate()
            self._iterators.add(made)
            return made

        inner._get_iterator = iterator
        return loader

    def train(self, *args: Any, **options: Any) -> Any:
        """Train, and end the worker processes however it ends.

        At the interpreter's exit they would be sent SIGTERM, which they ignore, and be waited for.
        """
        try:
            return super().train(*args, **options)
        finally:
            for each in self._iterators:
                getattr(each, "_shutdown_workers", lambda: None)()

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean weighted loss per trained token."""
        with self._tower.showing(inputs.get("pictures")) if self._tower else nullcontext():
            losses, outputs = token_losses(model, inputs)
        if not model.training:
            self._weights.append(float(inputs["weights"].sum() / (inputs["labels"] != IGNORED).sum()))
        if num_items_in_batch is None or not model.training:
            loss = losses.mean()  # eval loss is the mean over samples
        else:  # those of all processes, whose gradients are averaged
            loss = losses.sum() * self.accelerator.num_processes / num_items_in_batch
        return (loss, outputs) if return_outputs else loss

    def create_optimizer(self, model: Any = None) -> Any:
        """Return Trainer's own optimizer, with a learning rate for each part that has its own."""
        new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if new and self._parts:
            learning = (model or self.model).named_parameters()
            rates_of.split(optimizer, {id(p): name for name, p in learning}, self._parts)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the schedule by `rate`: transformers' own warm-up begins with a step at a rate of 0."""
        warmup = int(num_training_steps * self.args.warmup_steps)
        kind = self.args.lr_scheduler_type.value
        share = functools.partial(rate, steps=num_training_steps, warmup=warmup, kind=kind)
        self.lr_scheduler: Any = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, share)
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Do one forward and backward pass, and remember its loss; it is read from the device once a step."""
        self.meter.batch(inputs)
        self._gradients.saw(inputs)
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        self._batches.append((inputs["sample_ids"], loss))
        return loss

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """Evaluate; raises GuardStopError where the loss is not finite, or far from what it should be."""
        with self.meter.aside():
            metrics: dict[str, float] = super().evaluate(*args, **options)
        self.watch.evaluation(self.state.global_step, metrics["eval_loss"], self.uniform())
        return metrics

    def evaluation_loop(self, *args: Any, **options: Any) -> Any:
        """Evaluate, and let the model answer: its metrics are logged with the loss, and may choose the checkpoint."""
        output = super().evaluation_loop(*args, **options)
        if self.examination is not None:
            alone = self.args.world_size == 1  # several have to leave together, after a batch that all have answered
            answered = self.examination(
                self.model,
                int(self.state.global_step),
                write=bool(self.is_world_process_zero()),
                told=lambda _: self.leave_if_asked(),
                token=self.leave_if_asked if alone else None,
            )
            output.metrics.update(answered)
        return output

    def uniform(self) -> float:
        """Return the loss of a model that knows nothing: ln(vocabulary), times the mean weight of what is trained."""
        vocabulary = int(self.model.config.get_text_config().vocab_size)
        return math.log(vocabulary) * statistics.fmean(self._weights or [1.0])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log what Trainer measured, and how fast it was."""
        if "loss" in logs:
            logs |= {**self._rates, **self.meter.take()}
        elif "eval_loss" in logs:
            logs["elapsed"] = self.meter.elapsed()
        super().log(logs, start_time)

    def stateful(self) -> dict[str, Any]:
        """Return what else a checkpoint keeps."""
        return {"watch": self.watch}

    def _save_checkpoint(self, *args: Any, **options: Any) -> None:
        with self.meter.aside():
            super()._save_checkpoint(*args, **options)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Return the norm before clipping, and show the step to the guards: the optimizer has not yet taken it."""
        norm = super()._get_grad_norm(model, grad_norm)
        groups = self.optimizer.param_groups
        named = {group["name"]: group["lr"] for group in groups if "name" in group}
        self._rates = {f"learning_rate/{name}": lr for name, lr in named.items()} if len(named) > 1 else {}
        self._judge(None if norm is None else float(norm))
        return norm

    def _judge(self, norm: float | None) -> None:
        # The fp16 loss scaler meets infinite gradients on purpose and skips those steps by itself.
        if norm is not None and self.args.fp16 and not math.isfinite(norm):
            norm = None
        losses = torch.stack([loss for _, loss in self._batches])
        if self.accelerator.num_processes > 1:
            losses = self.accelerator.reduce(losses, reduction="mean")
        values = losses.tolist()
        broken = [ids for (ids, _), value in zip(self._batches, values, strict=True) if not math.isfinite(value)]
        samples = [name for ids in broken or [ids for ids, _ in self._batches] for name in ids]
        self._batches = []
        self.watch.step(self.state.global_step + 1, math.fsum(values) if not broken else math.nan, norm, samples)


def leave_signals_to_us(loader: Any) -> Any:
    """Return the loader; its worker processes ignore Ctrl-C and SIGTERM, which reach the whole process group.

    One that died of them would be an error of torch's in the middle of our own clean end.
    """
    inner = _innermost(loader)
    inner.worker_init_fn = functools.partial(_ignoring_signals, inner.worker_init_fn)
    return loader


def _innermost(loader: Any) -> Any:
    """Return the loader that starts the workers; accelerate's wraps it."""
    return getattr(loader, "base_dataloader", loader)


def _ignoring_signals(and_then: Callable[[int], None] | None, worker: int) -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    told = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        # The thread that hands tensors over says so if the run is gone; faults of data take another way.
        if not isinstance(error, (OSError, EOFError)):
            told(kind, error, trace)

    sys.excepthook = hook
    if and_then:
        and_then(worker)


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


def arguments(
    config: TrainConfig, *, folder: str, seed: int, max_steps: int | None, precision: str, run_name: str = "gdp"
) -> Any:
    """Return transformers' settings for ours; `run_name` is how the services of `report_to` call the run."""
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
        warmup_steps=sft.warmup,  # a share of the steps, see `create_scheduler`
        lr_scheduler_type=sft.lr_scheduler_type,
        weight_decay=sft.weight_decay,
        max_grad_norm=sft.max_grad_norm,
        optim=sft.optim,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=sft.device == "cpu" or not torch.cuda.is_available(),
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
        load_best_model_at_end=True,
        metric_for_best_model=config.eval.key,
        greater_is_better=config.eval.greater_is_better,
        dataloader_num_workers=workers(sft),
        dataloader_persistent_workers=workers(sft) > 0,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=list(sft.report_to) or "none",
        run_name=run_name,
    )


def make(
    model: Any,
    args: Any,
    examples: tuple[Any, Any],
    collator: Any,
    log: Log,
    tower: Tower | None = None,
    watch: Watch | None = None,
    *,
    rates: Mapping[Part, float] | None = None,
    gradients: GradientCheck | None = None,
    **pace: Any,
) -> Any:
    """Return the trainer for the train and val examples; nothing of it prints but the log.

    A tower is needed where the collator shows each picture once. Without a watch, one with the default guards is made.
    """
    watch = watch or Watch(GuardConfig(), log)
    trainer = WeightedTrainer(
        watch=watch,
        tower=tower,
        rates=rates or {},
        gradients=gradients or GradientCheck(log.say),
        model=model,
        args=args,
        train_dataset=examples[0],
        eval_dataset=examples[1],
        data_collator=collator,
        callbacks=[log, _Begin(watch, lambda: trainer.uniform())],
        **pace,
    )
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    return trainer


class _Begin(TrainerCallback):  # type: ignore[misc]
    """Tells the watch how long the run will be, which only Trainer knows."""

    def __init__(self, watch: Watch, uniform: Callable[[], float]) -> None:
        self._watch = watch
        self._uniform = uniform

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Pass on the number of steps."""
        warmup = int(state.max_steps * args.warmup_steps)
        self._watch.begin(steps=int(state.max_steps), warmup=warmup, uniform=self._uniform())
