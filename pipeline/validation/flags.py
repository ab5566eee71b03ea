"""What a flag of a sample means, for whoever looks at it; the finding itself is told by `gdp validate`."""

from pipeline.checks import CHECKS


def meaning(flag: str) -> str | None:
    """Return what should hold where that check warned; None of a check that this version does not have."""
    return CHECKS[flag].meaning if flag in CHECKS else None
