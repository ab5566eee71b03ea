"""Write the parts of the documentation that the program itself knows: `make docs`. tests/test_docs.py compares them.

- docs/cli.md: the help of every command; docs/checks.md: the tables of checks and thresholds.
- docs/layouts.md (`layout_page.py`); docs/resolution.md: its tables (`resolution.py`).
- docs/formats.md: the table of formats; docs/reasons.md: what `gdp import` refuses.
- docs/training.md: the table of every key of the training configuration.
- docs/errors.md: what each kind of error is, and what the proof measured of it.
- README.md: the file tree, and the output of the first three stages on sample_data.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import errors_page
import layout_page
import resolution
import training_keys

from pipeline.cli import main as gdp
from pipeline.importers import IMPORTERS, REASONS, Option

ROOT = Path(__file__).resolve().parent.parent

STAGES = (
    "gdp slice sample_data/trajectories -o demo/sliced --max-pixels 131072",
    "gdp augment-errors demo/sliced -o demo/augmented",
    "gdp validate demo/augmented -o demo/clean",
)
TREE = {
    "pipeline/cli/": "the `gdp` command: parse, run, report, exit",
    "pipeline/records.py": "trajectory, step, observation, element, turn, sample; `actions.py`: the action space",
    "pipeline/import_trajectories.py": "other formats to trajectories, a module each in `importers/`",
    "pipeline/trajectories.py": "read and check recorded trajectories",
    "pipeline/slice.py": "stage 1; `normalize.py`: a dataset made smaller",
    "pipeline/slicing/": "how: `shard.py`, `compose.py` make samples; `split.py`, `windows.py`, `token_count.py`",
    "pipeline/modes/": "what a sample is: a decision, a window, a sub-task, …",
    "pipeline/augment_errors.py": "stage 2; `augment_variants.py`: other ways to the same goal",
    "pipeline/augmentation/": "how: `graph.py`, `survey.py`, `dose.py` choose, `shard.py` makes; `crop.py`, `pairs.py`",
    "pipeline/errors/": "the kinds of errors; `guards/` has what forbids them, `thoughts/` what the agent thinks",
    "pipeline/writer/": "thoughts by an OpenAI-compatible server: asked, checked, kept",
    "pipeline/validate.py": "stage 3; `inspect.py` shows one sample in the terminal",
    "pipeline/checks/": "what it looks for, a module for each subject",
    "pipeline/validation/": "what else it does: `verdict.py` tells, `redact.py` hides, `write.py` writes",
    "pipeline/overview/": "`gdp validate --report` and `--against`: what a dataset holds, as pages and numbers",
    "pipeline/view/": "`gdp view`: index, pages, local server, export",
    "pipeline/layouts/": "what each model family expects: prompts, grammar, history, coordinates",
    "pipeline/screens/": "`images.py`: refused, or sized once; `geometry.py`: sizes, grids; `states.py`: equal ones",
    "pipeline/engines/": "the libraries that decode, resize and encode",
    "pipeline/storage/": "Parquet shards written and read; `run_folder.py`: journal, resume; `place.py` (disk or `s3://`)",
    "pipeline/executors/": "worker processes that may die; `stage.py` runs a stage on them",
    "train/loop.py": "stage 4, top to bottom: `plan.py` decides, `fit.py` and `trainer.py` train, `outcome.py` tells",
    "train/config.py": "its settings; `presets.py` by the size of the dataset, `recipes/` as files; `steps.py`",
    "train/encoding/": "a sample as tokens, each with its loss weight, and as pixels; families and their processors",
    "train/models/": "base model, LoRA, learning rates, the frozen tower and its cache, the loss where it is trained",
    "train/watching/": "guards, log, progress; `monitor/`: `gdp monitor`",
    "train/folder/": "the run's folder, checkpoints and resume, several processes",
    "train/forecast/": "`gdp train --dry-run`: memory term by term before a weight is read",
    "train/outputs/": "adapter, card, proof, curve; `gdp merge`",
    "train/evaluation/": "`gdp evaluate` and answers while training; `metrics/`: rules by name, verdicts, shares",
    "schemas/": "JSON Schemas of trajectory, action, sample, manifest, training configuration",
    "sample_data/": "recorded trajectories, the app they come from, the recorder",
    "tests/": "one file a module (`make test`); `replay/` proves the errors (`make prove`), `planted/` the checks",
    "benchmarks/": "against the bare work (`docs/benchmarks.md`); `learn/`: does error correction teach recovery",
}


def cli_reference() -> str:
    """Return docs/cli.md."""
    parts = ["# Command line\n\nWritten by `make docs` from the program's own help.\n"]
    context = click.Context(gdp, info_name="gdp", terminal_width=100, **gdp.context_settings)
    parts.append(f"## gdp\n\n```\n{gdp.get_help(context)}\n```\n")
    for name in gdp.list_commands(context):
        command = gdp.commands[name]
        child = click.Context(command, info_name=f"gdp {name}", terminal_width=100, **gdp.context_settings)
        parts.append(f"## gdp {name}\n\n```\n{command.get_help(child)}\n```\n")
    return "\n".join(parts)


def formats() -> str:
    """Return the table of formats."""
    lines = ["| format | reads | kept | lost | options | tried on |", "|---|---|---|---|---|---|"]
    for name, each in IMPORTERS.items():
        options = "<br>".join(map(_option, each.options))
        cells = (f"`{name}`", each.meaning, each.kept, each.lost, options or "none", each.tried_on)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _option(option: Option) -> str:
    choices, default = "\\|".join(option.choices) or "TEXT", option.default
    wanted = "required" if default is None else f"default {default or 'none'}"
    return f"`--{option.name.replace('_', '-')} {choices}` ({wanted}): {option.meaning}"


def import_reasons() -> str:
    """Return the table of what an importer refuses."""
    lines = ["| code | what was found |", "|---|---|", *(f"| `{code}` | {text} |" for code, text in REASONS.items())]
    return "\n".join(lines)


def checks() -> str:
    """Return the table of checks."""
    from pipeline.checks import CHECKS

    rows = [f"| `{name}` | {check.severity} | {check.meaning} |" for name, check in CHECKS.items()]
    return "\n".join(["| check | severity | what holds where it is silent |", "|---|---|---|", *rows])


def thresholds() -> str:
    """Return the table of thresholds."""
    from pipeline.checks.thresholds import MEANINGS, Thresholds, takes

    rows = [f"| `{key}` | {takes(key)} | `{getattr(Thresholds(), key):g}` | `{check}`: {meaning} |"
            for key, (check, meaning) in MEANINGS.items()]  # fmt: skip
    return "\n".join(["| key | takes | default | what is still fine |", "|---|---|---|---|", *rows])


def tree() -> str:
    """Return the file tree of the README."""
    width = max(map(len, TREE))
    lines = "\n".join(f"{path:<{width}}  {meaning}" for path, meaning in TREE.items())
    return f"```\n{lines}\n```"


def chain(folder: Path) -> list[str]:
    """Run the first three stages in an empty folder beside sample_data; return what a terminal shows."""
    (folder / "sample_data").symlink_to(ROOT / "sample_data")
    blocks = []
    for command in STAGES:
        done = subprocess.run(  # noqa: S603 - our own commands
            [sys.executable, "-m", "pipeline", *command.split()[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        blocks.append(f"$ {command}\n{done.stderr}{done.stdout}".rstrip())
    return blocks


def replaced(text: str, name: str, content: str) -> str:
    """Return the text with what stands between two marker comments replaced."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{content}\n{match[2]}", text, flags=re.DOTALL)


def between(text: str, name: str) -> str:
    """Return what stands between two marker comments."""
    match = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", text, flags=re.DOTALL)
    assert match, f"no marker {name}"
    return match[1]


def resolution_page() -> str:
    """Return docs/resolution.md with its tables."""
    text = (ROOT / "docs" / "resolution.md").read_text(encoding="utf-8")
    return replaced(replaced(text, "tokens", resolution.tokens()), "details", resolution.details())


def main() -> None:
    """Write everything."""
    (ROOT / "docs" / "cli.md").write_text(cli_reference(), encoding="utf-8")
    (ROOT / "docs" / "layouts.md").write_text(layout_page.page(), encoding="utf-8")
    (ROOT / "docs" / "resolution.md").write_text(resolution_page(), encoding="utf-8")
    pages = (("formats", "formats", formats()), ("reasons", "import", import_reasons()),
             ("training", "keys", training_keys.table()))  # fmt: skip
    for page, name, content in pages:
        file = ROOT / "docs" / f"{page}.md"
        file.write_text(replaced(file.read_text(encoding="utf-8"), name, content), encoding="utf-8")
    page = ROOT / "docs" / "checks.md"
    text = replaced(page.read_text(encoding="utf-8"), "checks", checks())
    page.write_text(replaced(text, "thresholds", thresholds()), encoding="utf-8")
    (ROOT / "docs" / "errors.md").write_text(errors_page.page(), encoding="utf-8")
    readme = ROOT / "README.md"
    text = replaced(readme.read_text(encoding="utf-8"), "tree", tree())
    training = re.search(r"^\$ gdp train demo/clean -o demo/run\n.*?(?=\n```)", text, flags=re.DOTALL | re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        blocks = chain(Path(folder))
    if training:
        blocks.append(training[0])  # its figures depend on the machine: pasted from a real run by hand
    text = replaced(text, "chain", "```console\n" + "\n\n".join(blocks) + "\n```")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
