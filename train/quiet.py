"""Keep the libraries' own talk off the terminal: progress bars, deprecations, lines about kernels that a CPU lacks."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

TALKATIVE = ("bitsandbytes", "transformers", "peft", "accelerate", "huggingface_hub", "matplotlib", "torch")

DEEPSPEED = "DeepSpeed"
"""Its logger, which sets its own level when accelerate imports it, and writes to stdout, where our one line stands."""


@contextmanager
def quietly(*, verbose: bool = False) -> Iterator[None]:
    """Silence the training libraries below an error, below a warning with `verbose`; peft talks when imported, too."""
    level = logging.WARNING if verbose else logging.ERROR
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(level)
    deepspeed = logging.getLogger(DEEPSPEED)
    deepspeed.addFilter(loud := lambda record: record.levelno >= level)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # or it warns once a worker process is forked
    with warnings.catch_warnings():
        if not verbose:
            warnings.filterwarnings("ignore", module=rf"({'|'.join(TALKATIVE)})(\.|$)")
        from huggingface_hub.utils import logging as hub_logging
        from transformers.utils import logging as transformers_logging

        hub_logging.set_verbosity(level)

        transformers_logging.set_verbosity(level)
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            deepspeed.removeFilter(loud)
