"""One trainer on one case of `benchmarks/train.py`, in a process of its own; prints what it measured as JSON.

python -P benchmarks/contender.py '{"who": "gdp", "model": "tiny", "data": DATASET, "batch": 2, "measured": 4, …}'
"""

import io
import json
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Trainer, TrainerCallback, TrainingArguments

from pipeline.storage.dataset import Dataset
from train.models import tiny
from train.quiet import quietly

VOCABULARY = 151_936
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "text": {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "head_dim": 32},
        "mrope": [6, 5, 5],
        "vision": {"depth": 2, "hidden_size": 64, "intermediate_size": 192, "num_heads": 4,
                   "deepstack_visual_indexes": [0]},
    },
    "100M": {
        "text": {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 6, "num_attention_heads": 8,
                 "num_key_value_heads": 4, "head_dim": 64},
        "mrope": [12, 10, 10],
        "vision": {"depth": 6, "hidden_size": 256, "intermediate_size": 1024, "num_heads": 4,
                   "deepstack_visual_indexes": [1, 3]},
    },
    # Qwen3-VL-2B: its published configuration, with random weights.
    "2B": {
        "text": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
                 "num_key_value_heads": 8, "head_dim": 128},
        "mrope": [24, 20, 20],
        "vision": {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16,
                   "deepstack_visual_indexes": [5, 11, 17]},
    },
}  # fmt: skip
LORA = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
GPU = torch.cuda.is_available()


def model_of(size: str, processor: Any) -> Any:
    """Return a Qwen3-VL of this size with random weights, frozen, with LoRA layers: the same for every contender."""
    import peft

    shape, ids = SIZES[size], processor.tokenizer.get_vocab()
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": shape["mrope"], "mrope_interleaved": True}
    text = {**shape["text"], "vocab_size": VOCABULARY, "max_position_embeddings": 32768, "rope_parameters": rope,
            "pad_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"]}  # fmt: skip
    vision = {**shape["vision"], "patch_size": processor.image_processor.patch_size, "spatial_merge_size": 2,
              "temporal_patch_size": 2, "out_hidden_size": text["hidden_size"],
              "num_position_embeddings": 2304}  # fmt: skip
    config = Qwen3VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device("cuda" if GPU else "cpu"):
        model = Qwen3VLForConditionalGeneration(config)
    model = model.to(torch.bfloat16 if GPU else torch.float32).requires_grad_(False)
    model.config.use_cache = False
    torch.manual_seed(0)
    settings = peft.LoraConfig(r=16, lora_alpha=32, target_modules=LORA, task_type="CAUSAL_LM")
    return peft.get_peft_model(model, settings)


def arguments(job: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that all trainers share."""
    return {
        "output_dir": f"{job['work']}/out", "per_device_train_batch_size": job["batch"],
        "max_steps": job["warm"] + job["measured"] + job["counted"], "learning_rate": 1e-4,
        "lr_scheduler_type": "constant", "seed": 0, "data_seed": 0, "bf16": GPU, "use_cpu": not GPU,
        "report_to": "none", "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True,
        "remove_unused_columns": False, "max_grad_norm": 1.0,
        "dataloader_num_workers": job.get("workers", 0), "dataloader_persistent_workers": job.get("workers", 0) > 0,
        "gradient_checkpointing": GPU, "gradient_checkpointing_kwargs": {"use_reentrant": False} if GPU else None,
    }  # fmt: skip


class Watch(TrainerCallback):
    """Measures the steps after the warm-up, data included, then counts the operations of some more."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.found, self.losses = job, {}, []
        self._counter = FlopCounterMode(display=False)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the times at both ends of the measured steps."""
        done, warm, measured = state.global_step, self.job["warm"], self.job["measured"]
        if done == warm:
            reset_peak()
            self._began = now()
        if done == warm + measured:
            wall, cpu = now()
            self.found |= {"seconds": wall - self._began[0], "cpu": cpu - self._began[1], "peak_mb": peak()}
            if self.job["counted"]:
                self._counter.__enter__()
        if self.job["counted"] and done == args.max_steps:
            self._counter.__exit__(None, None, None)
            self.found["flops"] = self._counter.get_total_flops() / self.job["counted"]

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Keep the losses, and of our own trainer the share of a measured step [0, 1] that waited for data."""
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))
            first, last = self.job["warm"], self.job["warm"] + self.job["measured"]
            if first < state.global_step <= last and "data_wait" in logs:
                self.found["waited"] = self.found.get("waited", 0.0) + logs["data_wait"] / self.job["measured"]


def now() -> tuple[float, float]:
    """Return seconds on the wall and of this process's cores."""
    if GPU:
        torch.cuda.synchronize()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def reset_peak() -> None:
    """Start the peak of memory anew."""
    if GPU:
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Return the most memory since then, in MB: of the GPU, or of this process."""
    if GPU:
        return torch.cuda.max_memory_allocated() / 1e6
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def with_gdp(job: dict[str, Any], watch: Watch) -> None:
    """Train as `gdp train` does, perhaps with one of its tricks switched off."""
    from dataclasses import replace

    from train import trainer
    from train.config import TrainConfig
    from train.encoding.data import Encoder, Examples, select
    from train.models import vision
    from train.plan import Plan
    from train.watching.log import Log
    from train.watching.progress import Progress

    dataset, processor = opened(job)
    encoder = Encoder(processor, dataset.manifest.contract, "benchmark")
    items = select(dataset.samples("train"), encoder, max_images=8, max_tokens=100_000)[0][: job["samples"]]
    model = model_of(job["model"], processor)
    sft = replace(
        TrainConfig().sft, cache_vision=job.get("cache", "none"), dataloader_num_workers=job.get("workers", 0)
    )
    base = SimpleNamespace(processor=processor, config=model.config, source=job["work"], name="benchmark")
    plan = Plan(base, encoder, items, items, {}, None, "bf16" if GPU else "fp32")
    examples = (Examples(dataset, encoder, items), Examples(dataset, encoder, items[:1]))
    without(job.get("without"))
    quiet = Progress(quiet=True, bar=False)
    tower, collator = vision.prepare(model, plan, examples, sft, Path(job["work"]), quiet)
    if job.get("without") == "once":
        tower = None
        collator._once = False
    log = Log(Path(job["work"]) / "log.jsonl", quiet)
    runner = trainer.make(model, TrainingArguments(**arguments(job)), examples, collator, log, tower)
    runner.add_callback(watch)
    if job.get("order") == "rows" or job.get("without") == "order":
        order = torch.utils.data.SequentialSampler if job.get("order") == "rows" else torch.utils.data.RandomSampler
        runner._get_train_sampler = lambda samples=None: order(examples[0])
    runner.train()
    watch.found["tokens"] = sum(item.tokens.length for item in items) / len(items) * job["measured"] * job["batch"]


def without(trick: str | None) -> None:
    """Switch one trick off; some are switched off where they are used."""
    if trick == "positions":
        from train.models import head, loss

        def everywhere(model: Any, inputs: Any, labels: torch.Tensor, ignored: int) -> Any:
            outputs = model(**inputs)
            wanted = labels[:, 1:] != ignored
            flat = torch.nn.functional.cross_entropy(
                outputs.logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), reduction="none",
                ignore_index=ignored,
            )  # fmt: skip
            return flat.view(wanted.shape)[wanted], outputs

        head.losses = everywhere
        loss.head = head
    if trick == "scores":
        from train.models import head, loss

        def nowhere(model: Any, inputs: Any, labels: torch.Tensor, ignored: int) -> Any:
            rows = torch.nn.functional.pad(labels[:, 1:] != ignored, (0, 1))
            states: list[torch.Tensor] = []

            def take(_: Any, args: tuple[Any, ...]) -> tuple[torch.Tensor]:
                states.append(args[0][rows])
                return (args[0][:0],)

            hook = head.output_head(model).register_forward_pre_hook(take)
            outputs = model(**inputs)
            hook.remove()
            return states[0].pow(2).mean(dim=-1), outputs

        head.losses = nowhere
        loss.head = head


def rows_of(job: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """Return the processor, and the samples as other trainers take them: prompt, completion, encoded pictures."""
    dataset, processor = opened(job)
    rows = []
    for sample, _ in zip(dataset.samples("train"), range(job["samples"]), strict=False):
        messages = [
            {"role": m.role, "content": [{"type": p.type, "text": p.text} if p.type == "text" else {"type": "image"}
                                         for p in m.content]}
            for m in sample.messages
        ]  # fmt: skip
        pictures = [{"bytes": dataset.image(ref), "path": None} for ref in sample.images]
        rows.append({"prompt": messages[:-1], "completion": messages[-1:], "images": pictures})
    return processor, rows


def with_trl(job: dict[str, Any], watch: Watch) -> None:
    """Train with TRL's SFTTrainer: prompt and completion, nothing cut, our processor."""
    import datasets
    from trl import SFTConfig, SFTTrainer

    processor, rows = rows_of(job)
    table = datasets.Dataset.from_list(rows).cast_column("images", datasets.List(datasets.Image()))
    SFTTrainer(
        model=model_of(job["model"], processor), args=SFTConfig(**arguments(job), max_length=None), train_dataset=table,
        processing_class=processor, callbacks=[watch],
    ).train()  # fmt: skip


def with_trainer(job: dict[str, Any], watch: Watch) -> None:
    """Train with transformers' Trainer and the collator that everybody writes."""
    processor, rows = rows_of(job)
    header = processor.tokenizer("<|im_start|>assistant\n")["input_ids"]

    def collate(samples: list[Any]) -> Any:
        texts = [processor.apply_chat_template(each["prompt"] + each["completion"]) for each in samples]
        pictures = [[Image.open(io.BytesIO(p["bytes"])).convert("RGB") for p in each["images"]] for each in samples]
        batch = processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        labels = batch["input_ids"].clone()
        for row, ids in zip(labels, batch["input_ids"].tolist(), strict=True):
            start = max(at for at in range(len(ids)) if ids[at : at + len(header)] == header)
            row[: start + len(header)] = -100
        labels[batch["attention_mask"] == 0] = -100
        return {**batch, "labels": labels}

    Trainer(
        model=model_of(job["model"], processor), args=TrainingArguments(**arguments(job)), train_dataset=rows,
        data_collator=collate, callbacks=[watch],
    ).train()  # fmt: skip


def opened(job: dict[str, Any]) -> tuple[Any, Any]:
    """Return the dataset and a processor for it."""
    dataset = Dataset.open(job["data"])
    return dataset, tiny.build_processor(dataset)


TRAINERS = {"gdp": with_gdp, "trl": with_trl, "trainer": with_trainer}


def main() -> None:
    """Run the job."""
    job = {"warm": 1, "counted": 0, **json.loads(sys.argv[1])}
    watch = Watch(job)
    with quietly(), torch.random.fork_rng(devices=[]) if not GPU else nullcontext():
        TRAINERS[job["who"]](job, watch)
    print("MEASURED " + json.dumps({**watch.found, "losses": watch.losses}))


if __name__ == "__main__":
    main()
