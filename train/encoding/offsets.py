"""Text with a weight for each character, as tokens with a weight each: a token across a border takes the larger one."""

from collections.abc import Collection, Sequence
from typing import Any

from pipeline.exceptions import InputError

from .tokens import Encoded, covered


def tokens(
    where: str, tokenizer: Any, text: str, weights: Sequence[float], starts: Collection[int], mark: str
) -> Encoded:
    """Return the tokens of the text; what is trained begins at `starts`, and the `mark` character is taken out.

    Raises InputError where a token reaches across the start of a trained turn, which at inference is already there when
    the model speaks, or where the tokenizer joins the mark to another character.
    """
    opened = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    found = tokenizer(text, add_special_tokens=not opened, return_offsets_mapping=True)
    encoded = Encoded()
    for token, (begin, end) in zip(found["input_ids"], covered(found["offset_mapping"]), strict=True):
        if mark in text[begin:end]:
            if text[begin:end].strip(mark):
                message = "a text spells a control token of the model, and its tokenizer cannot take it apart"
                raise InputError(where, message, "leave the sample out")
            continue
        if any(begin < start < end for start in starts):
            message = (
                f"the model's tokenizer joins the start of the response to what is before it ({text[begin:end]!r})"
            )
            raise InputError(where, message, "a response must not begin with white space")
        encoded.add([token], max(weights[begin:end], default=0.0))
    return encoded
