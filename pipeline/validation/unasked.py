"""Which of the chosen checks could not be asked, and why: that they found nothing says nothing."""

from pipeline import layouts
from pipeline.checks import CHECKS, LIMIT, PIXELS, THINKS
from pipeline.storage.manifest import Manifest

from . import redact


def unasked(manifest: Manifest) -> dict[str, str]:
    """Return the checks of a validation that had nothing to ask, each with the reason."""
    config = manifest.config
    reasons: dict[object, str | None] = {
        PIXELS: None if config.get("pixels", True) else "--no-pixels decodes no screenshot",
        LIMIT: None if config.get("max_tokens") else "no --max-tokens was given",
        THINKS: None if layouts.get(manifest.contract.layout).thinks else "the layout's answers hold no thoughts",
    }
    found = {}
    for name in config.get("checks", ()):
        check = CHECKS.get(name)  # a dataset of another version may name one that is gone
        if check is None:
            continue
        reason = reasons.get(THINKS if check.of_thought else check.needs)
        if config.get("redact") and name in redact.CHECKS:
            reason = "--redact replaces what they find"
        if reason is not None:
            found[name] = reason
    return found


def by_reason(manifest: Manifest) -> dict[str, list[str]]:
    """Return the same by reason."""
    names: dict[str, list[str]] = {}
    for name, reason in unasked(manifest).items():
        names.setdefault(reason, []).append(name)
    return names


def n_asked(manifest: Manifest) -> int:
    """Return how many of the chosen checks were asked."""
    return len(manifest.config.get("checks", ())) - len(unasked(manifest))
