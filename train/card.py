"""The adapter's README: what it is, what it was made from, how to load it."""

import re
from typing import Any

from pipeline import layouts

CARD = """\
---
base_model: {base}
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
- LoRA: r = {r}, alpha = {alpha}, on {layers} linear layers of the language model; everything else is the base's
{warned}
Serve it under the same contract: at most {shown} screenshots within that pixel budget, messages in the layout \
`{layout}`, coordinates
{coordinates}.

The system prompt, {whose}:

{fence}text
{system}
{fence}

```python
from peft import PeftModel
from transformers import AutoModelForImageTextToText

model = AutoModelForImageTextToText.from_pretrained({load!r})
model = PeftModel.from_pretrained(model, "adapter")
```

`run.json` beside this folder holds every setting and version.
"""

DEMO = (
    "**A demonstration.** The base model has random weights; this adapter shows that the pipeline works and is of no"
    " other use."
)


TUNED = "A supervised fine-tune of a GUI agent on recorded trajectories."
BLIND = "**It has not seen a screenshot**: it was trained with placeholders in their place, to check a set-up."

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
        "fence": "`" * max(3, 1 + max(map(len, re.findall("`+", facts["system"])), default=0)),
    }
    return CARD.format(**{**contract, **facts, **words})


def _whose(facts: dict[str, Any]) -> str:
    """Return who worded the system prompt, and that it states a size where it does."""
    template = facts["prompts"]["system"]
    whose = OWN if template is None else GIVEN
    sized = "{width}" in (template or layouts.get(facts["contract"]["layout"]).system)
    return f"{whose} (the size in it is that of each sample's current screenshot)" if sized else whose
