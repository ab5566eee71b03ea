"""How long a sample is for the model, counted with its own tokenizer."""

from collections.abc import Iterator

from .case import Case
from .check import Context, Finding


def too_long(case: Case, context: Context) -> Iterator[Finding]:
    """Yield a sample of more tokens than `--max-tokens`; silent where no limit is given."""
    sample = case.sample
    limit = context.limit
    if limit is None:
        return
    tokens = limit.counted[id(sample)] = limit.count.sample(sample.messages, sample.images)
    if tokens > limit.most:
        yield Finding("$.messages", f"found {tokens} tokens, expected at most {limit.most}")
