"""The work of `gdp merge`: load, merge, save, and read back what was saved."""

import gc
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.records import ImageRef, Message, Part
from pipeline.storage.manifest import Contract
from train.config import SftConfig
from train.encoding import processor as processors
from train.encoding.data import Collator, Encoder, Example, Item
from train.models import model as models
from train.watching.progress import Progress

from . import verify
from .adapter import put_on
from .merge import Precision, check_close

FORMS = {str(dtype).removeprefix("torch."): form for form, dtype in models.DTYPES.items()}
BITS = {"use_4bit": "4 bits", "use_8bit": "8 bits"}


def merge(
    name: str, adapter: Path, out: Path, contract: Contract, sft: SftConfig, asked: Precision, progress: Progress
) -> dict[str, Any]:
    """Write the merged model and its processor; return what `MergeReport` says of it.

    The base is loaded as its files are, never in 4 or 8 bits: merged into quantised weights, an update is rounded away.
    """
    config = models.config_of(name)
    form = str(FORMS.get(str(config.dtype).removeprefix("torch."), "fp32")) if asked == "auto" else str(asked)
    made = processors.of_model(str(adapter), config, contract)
    base = models.Base(name, name, False, config, made)
    whole = SftConfig(precision=form, device="cpu")  # type: ignore[arg-type]  # one of them
    batch = probe(base, contract)
    quantised = next((words for key, words in BITS.items() if getattr(sft, key)), None)
    before = None
    if quantised is not None:
        progress.say(f"merge: the adapter on its base in {quantised}, for comparison")
        before = verify.logits(put_on(models.load(base, sft), adapter), batch)
        gc.collect()
    progress.say(f"merge: into the base in {form}")
    apart = put_on(models.load(base, whole), adapter)
    expected = verify.logits(apart, batch)
    merged = apart.merge_and_unload(safe_merge=True)
    merged.config.use_cache = True
    merged.save_pretrained(out)
    processors.save(made, out)
    del apart, merged
    gc.collect()
    _flush(out)
    progress.say("merge: checking the saved model")
    again = verify.logits(models.load(models.Base(str(out), str(out), False, config, made), whole), batch)
    difference = float((again - expected).abs().max())
    tolerance = verify.TOLERANCE[form] * float(expected.abs().max())
    check_close(difference, tolerance, str(out))
    return {
        "precision": form,
        "merged_from_adapter": difference,
        "tolerance": tolerance,
        "quantised": quantised,
        "merged_from_quantised": None if before is None else float((again - before).abs().max()),
    }


def probe(base: models.Base, contract: Contract) -> dict[str, Any]:
    """Return a batch of one sample with one picture of noise; no dataset is needed to compare two models."""
    side = math.ceil(math.sqrt(contract.min_pixels) / contract.factor) * contract.factor
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    ref = ImageRef(sha256="0" * 64, shard=0, row=0, width=side, height=side)
    question = Message("user", (Part("image", image=0), Part("text", text="What is the next action?")))
    answer = Message("assistant", (Part("text", text="Tap the first of the buttons."),), 1.0)
    encoder = Encoder(base.processor, contract, base.name)
    encoded, counts = encoder.tokens(Item("probe", (question, answer), (ref,)))
    example = Example("probe", encoded, [Image.fromarray(noise)], counts, (ref,))
    return Collator(base.processor, encoder.frame)([example])


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
