"""The versions that a result depends on."""

import platform
from importlib import metadata

PACKAGES = ("gui-data-pipeline", "torch", "transformers", "peft", "accelerate", "tokenizers", "bitsandbytes", "pillow")


def versions() -> dict[str, str]:
    """Return the versions of Python and of every package that takes part, those not installed left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
