"""Scores of the vocabulary at trained positions only: the numbers and the gradients of the whole computation."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from train.config import LoraConfig, SftConfig, TrainConfig
from train.encoding.data import Collator
from train.encoding.tokens import IGNORED
from train.models import head, model
from train.models.head import Way
from train.models.loss import token_losses


@pytest.fixture(scope="module")
def batch(examples: Any, base: Any, encoder: Any) -> dict[str, Any]:
    """Return three samples of unequal length, each with several trained stretches of several weights."""
    made = Collator(base.processor, encoder.chatml)([examples[0], examples[3], examples[5]])
    free = torch.Generator().manual_seed(0)
    trained = (torch.rand(made["labels"].shape, generator=free) < 0.2) & (made["attention_mask"] == 1)
    trained &= made["mm_token_type_ids"] == 0
    trained[:, 0] = False
    trained |= made["labels"] != IGNORED
    made["labels"] = torch.where(trained, made["input_ids"], IGNORED)
    made["weights"] = torch.where(trained, torch.rand(trained.shape, generator=free) + 0.1, 0.0)
    assert len({int(row.sum()) for row in made["attention_mask"]}) == 3
    return made


def adapted(base: Any, **sft: Any) -> Any:
    """Return the tiny model with LoRA layers that do something."""
    torch.manual_seed(0)
    settings = SftConfig(**{"gradient_checkpointing": False, **sft})
    chosen = model.targets(base, TrainConfig(settings))
    made = model.add_lora(model.load(base, settings), chosen, LoraConfig(), settings)
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return made


def whole(made: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Return the weighted losses from all logits, as a textbook takes them."""
    inputs = {key: value for key, value in batch.items() if key not in {"weights", "sample_ids", "labels"}}
    logits = made(**inputs).logits[:, :-1].float()
    labels = batch["labels"][:, 1:]
    flat = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=IGNORED)
    return (flat * batch["weights"][:, 1:])[labels != IGNORED]


def gradients(made: Any, losses: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradient of everything that learns, of a loss in which no two tokens count the same."""
    made.zero_grad()
    (losses * torch.linspace(0.5, 1.5, len(losses))).sum().backward()
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


def softcapped(made: Any) -> None:
    made.get_base_model().lm_head.register_forward_hook(lambda _m, _a, scores: 2 * torch.tanh(scores / 2))


def learning_head(made: Any) -> None:
    made.get_base_model().lm_head.weight.requires_grad_(True)


def scaled_after_the_head(made: Any) -> None:
    """Give the model a logit scale behind its head, as some families have it."""
    inner = made.get_base_model()
    forward = inner.forward

    def scaled(**inputs: Any) -> Any:
        outputs = forward(**inputs)
        outputs.logits = outputs.logits * 0.5
        return outputs

    inner.forward = scaled


def without_a_head(made: Any) -> None:
    made.get_base_model().get_output_embeddings = lambda: None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, Way.CHUNKS),
        (softcapped, Way.ROWS),
        (learning_head, Way.ROWS),
        (scaled_after_the_head, Way.ROWS),
        (without_a_head, Way.TAIL),
    ],
)
@pytest.mark.parametrize("recompute", [False, True], ids=["", "checkpointing"])
def test_losses_and_gradients_are_those_of_the_whole(
    base: Any,
    batch: dict[str, Any],
    change: Callable[[Any], None] | None,
    expected: Way,
    recompute: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the model does with its scores: each token's loss and each weight's gradient are the same."""
    monkeypatch.setattr(head, "CHUNK", 7)
    made = adapted(base, gradient_checkpointing=recompute).train()
    if change:
        change(made)
    assert head.way(made) is expected
    wanted = whole(made, batch)
    found, _ = token_losses(made, batch)
    assert len(found) > 3 * head.CHUNK
    assert torch.allclose(found, wanted, atol=1e-5)
    reference = gradients(made, wanted)
    mine = gradients(made, token_losses(made, batch)[0])
    assert reference.keys() == mine.keys()
    for name, gradient in reference.items():
        assert torch.allclose(mine[name], gradient, rtol=1e-4, atol=1e-6 * float(gradient.abs().max()) + 1e-8), name


@pytest.mark.parametrize("sft", [{"precision": "bf16"}, {"use_4bit": True}], ids=["bf16", "4-bit"])
def test_low_precision_agrees_to_its_own_digits(base: Any, batch: dict[str, Any], sft: dict[str, Any]) -> None:
    """In bf16 and over a 4-bit base the losses are the whole computation's, up to rounding."""
    made = adapted(base, **sft).train()
    assert head.way(made) is Way.CHUNKS
    with torch.no_grad():
        wanted, found = whole(made, batch), token_losses(made, batch)[0]
    assert torch.allclose(found, wanted, rtol=2e-2, atol=2e-2)


def test_only_trained_positions_are_multiplied(base: Any, batch: dict[str, Any]) -> None:
    """No more rows than trained tokens reach the head, and none is left of the hooks afterwards."""
    made = adapted(base)
    seen: list[torch.Size] = []
    learning_head(made)
    layer = made.get_base_model().lm_head
    head.way(made)
    hook = layer.register_forward_hook(lambda _module, _args, scores: seen.append(scores.shape))
    token_losses(made, batch)
    hook.remove()
    assert [tuple(shape) for shape in seen] == [(1, int((batch["labels"] != IGNORED).sum()), layer.out_features)]
    assert not layer._forward_pre_hooks
    assert not layer._forward_hooks
