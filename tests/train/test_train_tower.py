"""The frozen tower: no graph, each picture once, the same numbers; where vision layers learn, gradients."""

from typing import Any

import peft
import pytest
import torch

from train.config import LoraConfig, SftConfig, TrainConfig
from train.encoding.data import Collator
from train.encoding.pictures import Pictures
from train.models import model
from train.models.loss import token_losses
from train.models.tower import Tower, learns


def adapted(base: Any) -> Any:
    """Return the tiny model with LoRA layers in its language model that do something."""
    torch.manual_seed(0)
    sft = SftConfig(gradient_checkpointing=False)
    made = model.add_lora(model.load(base, sft), model.targets(base, TrainConfig(sft)), LoraConfig(), sft)
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return made


def windows(examples: Any) -> list[Any]:
    """Return neighbours of one trajectory: four windows that show nine pictures, four of them different."""
    chosen = examples.__getitems__([0, 1, 2, 3])
    assert len({ref.sha256 for each in chosen for ref in each.refs}) < sum(len(each.refs) for each in chosen)
    return chosen


def watched(inner: Any) -> list[tuple[int, bool]]:
    """Return what will hold, of each pass of the tower, how many pictures it sees and whether it keeps a graph."""
    seen: list[tuple[int, bool]] = []
    inner.visual.register_forward_pre_hook(
        lambda _module, _args, options: seen.append((len(options["grid_thw"]), torch.is_grad_enabled())),
        with_kwargs=True,
    )
    return seen


def test_each_picture_once_gives_the_same_losses_and_gradients(base: Any, examples: Any, encoder: Any) -> None:
    """Four overlapping windows: the tower sees each screenshot once, DeepStack levels and all numbers are the same."""
    results = []
    for once in (False, True):
        made = adapted(base).train()
        tower = Tower.of(made)
        assert tower is not None
        batch = Collator(base.processor, encoder.chatml, once=once)(windows(examples))
        seen = watched(made.get_base_model().model)
        with tower.showing(batch.get("pictures")):
            losses, _ = token_losses(made, batch)
        losses.sum().backward()
        results.append((losses.detach(), {name: p.grad for name, p in made.named_parameters() if p.requires_grad}))
        pictures = [ref.sha256 for each in windows(examples) for ref in each.refs]
        assert seen == [(len(set(pictures)) if once else len(pictures), False)]
    assert torch.allclose(results[0][0], results[1][0], atol=1e-5)
    for name, gradient in results[0][1].items():
        assert torch.allclose(gradient, results[1][1][name], rtol=1e-3, atol=1e-5 * float(gradient.abs().max())), name


def test_pictures_stand_where_they_are_shown(base: Any, examples: Any, encoder: Any) -> None:
    """The features that the language model gets are those of the full batch, picture by picture and level by level."""
    made = adapted(base)
    inner = made.get_base_model().model
    plain = Collator(base.processor, encoder.chatml)(windows(examples))
    few = Collator(base.processor, encoder.chatml, once=True)(windows(examples))
    with torch.no_grad():
        wanted = inner.get_image_features(plain["pixel_values"], plain["image_grid_thw"], return_dict=True)
    tower = Tower(made)
    with tower.showing(few["pictures"]):
        found = inner.get_image_features(few["pixel_values"], few["image_grid_thw"], return_dict=True)
    assert len(few["pixel_values"]) < len(plain["pixel_values"])
    assert len(wanted.deepstack_features) == len(found.deepstack_features) == 1
    for one, other in zip(
        [wanted.pooler_output, *wanted.deepstack_features],
        [found.pooler_output, *found.deepstack_features],
        strict=True,
    ):
        assert len(one) == len(other) == len(few["pictures"].shown)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True))


def test_a_tower_that_learns_runs_with_gradients(base: Any, examples: Any, encoder: Any) -> None:
    """LoRA in the vision tower or in the projector: nothing stands between, and every adapter gets a gradient."""
    for pattern in (r".*visual\.blocks\.\d+\.attn\.(qkv|proj)", r".*visual\.merger\.linear_fc[12]"):
        made = peft.get_peft_model(model.load(base, SftConfig()), peft.LoraConfig(r=4, target_modules=pattern))
        made.enable_input_require_grads()
        assert learns(made)
        assert Tower.of(made) is None
        token_losses(made.train(), Collator(base.processor, encoder.chatml)([examples[3]]))[0].sum().backward()
        gradients = [p.grad for name, p in made.named_parameters() if "lora_B" in name]
        assert gradients
        assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def qwen25() -> tuple[Any, int]:
    """Return a tiny Qwen2.5-VL and the id of its image pad."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}}  # fmt: skip
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32,
              "fullatt_block_indexes": [1], "window_size": 56}  # fmt: skip
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, image_token_id=60, vision_start_token_id=61,
                              vision_end_token_id=62, video_token_id=63)  # fmt: skip
    torch.manual_seed(0)
    return Qwen2_5_VLForConditionalGeneration(config).eval().requires_grad_(False), 60


def test_qwen25_sees_each_picture_once_too() -> None:
    """A family with windowed attention and without DeepStack: two samples that share one of two pictures."""
    made, pad = qwen25()
    grids = torch.tensor([[1, 4, 6], [1, 6, 4]])
    patches = [torch.randn(24, 3 * 2 * 14 * 14) for _ in range(2)]
    rows = [[1, 61, *[pad] * 6, 62, 2, 61, *[pad] * 6, 62, 3], [4, 61, *[pad] * 6, 62, 5, 6, 7, 8, 9, 10, 11, 12, 13]]
    ids = torch.tensor([row + [0] * (19 - len(row)) for row in rows])
    inputs = {
        "input_ids": ids,
        "attention_mask": (ids > 0).long(),
        "mm_token_type_ids": (ids == pad).long(),
        "image_grid_thw": grids[[0, 1, 0]],
    }
    wanted = made(**inputs, pixel_values=torch.cat([patches[0], patches[1], patches[0]])).logits
    tower = Tower.of(made)
    assert tower is not None
    assert tower.by_grid
    with tower.showing(Pictures.of(["a", "b", "a"])):
        found = made(**inputs, pixel_values=torch.cat(patches)).logits
    assert torch.allclose(wanted, found, atol=1e-5)


@pytest.mark.parametrize("hashes", [["a", "b", "a", "c", "b"], ["a"], ["a", "a"]])
def test_pictures_are_counted_once(hashes: list[str]) -> None:
    """Every shown picture points at its own key, keys come in the order in which they are first seen."""
    pictures = Pictures.of(hashes)
    assert [pictures.keys[place] for place in pictures.shown] == hashes
    assert [hashes[place] for place in pictures.first] == list(pictures.keys)
    assert len(set(pictures.keys)) == len(pictures.keys)
    assert Pictures.of(hashes, frozenset("a")).made == tuple(range(1, len(pictures.keys)))
