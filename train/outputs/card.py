"""The adapter's README: what it is, what it was made from, how to load it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import layouts

CARD = """\
---
base_model: {base}
{licensed}
library_name: peft
pipeline_tag: image-text-to-text
tags: [lora, gui-agent, gdp]
---

# LoRA adapter, trained with gdp

{what}

- dataset: layout `{layout}`, fingerprint `{dataset}`
- samples: {train} train, {val} val
- pixel budget: {min_pixels} to {max_pixels} pixels a screenshot, sides in multiples of {factor}
- loss per trained token on the val split: {eval_start:.4f} before, {eval_best:.4f} after (step {best_step})
- LoRA: r = {r}, alpha = {alpha}, on {layers} linear layers ({scopes}){also}; everything else is the base's
{measured}{warned}
Serve it under the same contract: at most {shown} screenshots within that pixel budget, messages in the layout \
`{layout}`, coordinates
{coordinates}.

The system prompt, {whose}:

{fence}text
{system}
{fence}

{serve}

Load it in the folder that holds `adapter`:

```python
from peft import PeftModel
from transformers import AutoModelForImageTextToText

model = AutoModelForImageTextToText.from_pretrained({load!r})
model = PeftModel.from_pretrained(model, "adapter")
```

`adapter` holds the processor, too, with the pixel budget above: `AutoProcessor.from_pretrained("adapter")`, for which
transformers may ask for torchvision.

`run.json` beside this folder holds every setting and version.
"""

DEMO = (
    "**A demonstration.** The base model has random weights; this adapter shows that the pipeline works and is of no"
    " other use."
)


TUNED = "A supervised fine-tune of a GUI agent on recorded trajectories."
BLIND = "**It has not seen a screenshot**: it was trained with placeholders in their place, to check a set-up."

GIVEN_LICENSE = "license: {}  # as configured"
LICENSED = "license: {}  # the base model's; see whether your recordings allow it"
UNLICENSED = "# license: to be filled in; the terms of the base model and of the recordings apply"

AS_IT_IS = "Served: vLLM loads it as it is (`--enable-lora`); `gdp merge` makes one model of base and adapter."

OWN = "gdp's own wording of the layout's prompt"
GIVEN = "as it was given to `gdp slice --system-prompt`"


def render(facts: dict[str, Any]) -> str:
    """Return the card; `facts` names every field of it."""
    contract = facts["contract"]
    grid = f"from 0 to {contract['scale']} across the screenshot, x first"
    pixels = "in pixels of the resized screenshot, x first"
    words = {
        "what": "\n\n".join([DEMO if facts["demo"] else TUNED, *([] if facts["saw_images"] else [BLIND])]),
        "coordinates": grid if contract["coordinates"] == "grid" else pixels,
        "shown": contract["history"]["image_window"],
        "load": facts["base"],
        "whose": _whose(facts),
        "warned": "".join(f"- warned while it trained: {text}\n" for text in facts["warnings"]),
        "licensed": facts["license"],
        "also": f", and {', '.join(facts['whole'])} trained whole" if facts["whole"] else "",
        "measured": "".join(_metrics(facts.get("metrics") or {})),
        "serve": "\n".join(f"Served: {note}." for note in facts["serving"]) or AS_IT_IS,
        "fence": "`" * max(3, 1 + max(map(len, re.findall("`+", facts["system"])), default=0)),
    }
    return CARD.format(**{**contract, **facts, **words})


def licensed(given: str | None, base: str) -> str:
    """Return the card's line: the licence that was configured, else that of the base model, else what is to be done."""
    if given:
        return GIVEN_LICENSE.format(given)
    found = license_of(base)
    return LICENSED.format(found) if found else UNLICENSED


def license_of(base: str) -> str | None:
    """Return the licence in the model card of a local base model, None where it says none."""
    file = Path(base) / "README.md"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    head = re.match(r"---\n(.*?)\n---", text, flags=re.DOTALL)
    found = re.search(r"^license:\s*([\w.-]+)\s*$", head[1], flags=re.MULTILINE) if head else None
    return found[1] if found else None


def _metrics(found: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each metric of the answers that the model gave before training and with the kept weights."""
    for name, value in found.get("kept", {}).items():
        before = found["start"].get(name)
        if before is not None and value is not None:
            yield f"- {name} over {found['samples']} val samples: {before:.3f} before, {value:.3f} after\n"


def _whose(facts: dict[str, Any]) -> str:
    """Return who worded the system prompt, and that it states a size where it does."""
    template = facts["prompts"]["system"]
    whose = OWN if template is None else GIVEN
    sized = "{width}" in (template or layouts.get(facts["contract"]["layout"]).system)
    return f"{whose} (the size in it is that of each sample's current screenshot)" if sized else whose
