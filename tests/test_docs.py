"""README, docs and help say what the program does."""

import json
import re
import sys
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest

from pipeline.actions import Action, KeyUp, MouseUp
from pipeline.checks import CHECKS, Thresholds
from pipeline.checks.thresholds import MEANINGS
from pipeline.cli import main as gdp
from pipeline.errors import KINDS
from pipeline.errors.guards import GUARDS
from pipeline.importers import REASONS
from pipeline.layouts import LAYOUTS
from pipeline.records import Trajectory

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import errors_page  # noqa: E402
import generate  # noqa: E402  # docs/ is no package

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_command_reference_is_the_programs_own_help() -> None:
    """docs/cli.md is what `make docs` writes."""
    assert generate.cli_reference() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_page_of_errors_has_every_kind_with_its_picture() -> None:
    """docs/errors.md is what `make docs` writes of the kinds and of what `make prove` measured."""
    assert errors_page.page() == (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    measured = json.loads((ROOT / "docs" / "errors.json").read_text(encoding="utf-8"))
    assert list(measured["kinds"]) == list(KINDS), "run python tests/replay/prove.py --write"
    controlled = {guard for control in measured["controls"] for guard in control["guards"]}
    assert controlled | set(measured["no live trap"]) == set(GUARDS)
    pictures = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "errors").iterdir()}
    assert set(pictures) == set(KINDS)
    assert sum(pictures.values()) < 1_500_000


def test_the_page_of_checks_has_them_all() -> None:
    """docs/checks.md holds the table that `make docs` writes."""
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    assert generate.between(page, "checks") == generate.checks()


def test_the_page_of_checks_has_every_threshold() -> None:
    """docs/checks.md holds the table that `make docs` writes, with a row for each key of the file."""
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    assert generate.between(page, "thresholds") == generate.thresholds()
    assert list(MEANINGS) == list(Thresholds.__struct_fields__)
    assert {check for check, _ in MEANINGS.values()} <= set(CHECKS)


def test_the_page_on_layouts_is_what_they_do() -> None:
    """docs/layouts.md is what `make docs` writes; its table names every action type; the help names every layout."""
    assert generate.layout_page.page() == (ROOT / "docs" / "layouts.md").read_text(encoding="utf-8")
    shown = {type(action) for actions in generate.layout_page.ACTIONS.values() for action in actions}
    pairs = {KeyUp, MouseUp}  # each in the row of its counterpart
    assert shown | pairs == set(get_args(Action))
    option = next(option for option in gdp.commands["slice"].params if option.name == "layout")
    assert all(f"{name}" in (getattr(option, "help", None) or "") for name in LAYOUTS)


def test_the_tables_on_resolution_are_computed() -> None:
    """docs/resolution.md is what `make docs` writes."""
    assert generate.resolution_page() == (ROOT / "docs" / "resolution.md").read_text(encoding="utf-8")


def test_every_training_key_is_explained() -> None:
    """docs/training.md holds the table that `make docs` writes of the schema."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert generate.between(page, "keys") == generate.training_keys.table()


def test_the_readme_shows_what_the_first_three_stages_print(tmp_path: Path) -> None:
    """The console block of the README starts with the real output on sample_data."""
    shown = generate.between(README, "chain")
    for block in generate.chain(tmp_path):
        assert block in shown


def test_the_readme_shows_a_training_run() -> None:
    """The fourth command is there, with falling losses."""
    shown = generate.between(README, "chain").split("$ gdp train demo/clean -o demo/run")[1]
    split = re.search(r"rejected: (\d+ train, \d+ val)$", generate.between(README, "chain"), re.MULTILINE)
    assert split
    assert f"  samples   {split[1]}" in shown  # what was trained on is what validate left
    start, final = re.findall(r"eval loss ([\d.]+) at the start.*?([\d.]+) at the end", shown)[0]
    assert float(final) < float(start)


def test_the_file_tree_names_what_exists() -> None:
    """Every path of the README's tree exists, and every module of the top levels is in it or named beside one."""
    assert generate.between(README, "tree") == generate.tree()
    assert [path for path in generate.TREE if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", list(gdp.commands))
def test_every_command_and_option_has_help(name: str) -> None:
    """No option is without its sentence, and each command stands in the README."""
    command = gdp.commands[name]
    assert command.help
    assert f"gdp {name}" in README
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_readmes_trajectory_is_one() -> None:
    """The example that newcomers copy is accepted."""
    example = re.search(r"```json\n(.*?)```", README, flags=re.DOTALL)
    assert example
    trajectory = msgspec.json.decode(example[1], type=Trajectory)
    assert len(trajectory.steps) == 2
    assert json.loads(example[1])["steps"][1]["actions"][0]["type"] == "terminate"


def test_links_lead_somewhere() -> None:
    """Relative links of the Markdown files exist."""
    for file in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "sample_data" / "README.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_the_changelog_has_an_entry() -> None:
    """The newest section of the changelog is not empty."""
    newest = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
    assert newest.count("\n- ") >= 1


def test_formats_and_their_refusals_are_those_of_the_importers() -> None:
    """The tables are what `make docs` writes."""
    for page, name, content in (("formats", "formats", generate.formats()),
                                ("reasons", "import", generate.import_reasons())):  # fmt: skip
        assert generate.between((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), name) == content


def test_every_importer_code_is_given() -> None:
    """No code of an importer is explained that none can give."""
    files = [*(ROOT / "pipeline" / "importers").glob("*.py"), ROOT / "pipeline" / "import_trajectories.py"]
    source = "".join(file.read_text(encoding="utf-8") for file in files if file.name != "refusal.py")
    pictures = (ROOT / "pipeline" / "screens" / "images.py").read_text(encoding="utf-8")
    assert [code for code in REASONS if f'"{code}"' not in source + pictures] == []


def test_every_reason_is_explained() -> None:
    """docs/reasons.md names each code and guard that the source can give, and no other."""
    patterns = (r'guard = "(\w+)"', r'SET_ASIDE = "(\w+)"', r'first (?:=|or) "(\w+)"', r'Refusal\("(\w+)"',
                r'(?:Image)?Problem\(\s*"(\w+)"', r'return "(\w+)"(?:, |$)', r'= "(history_\w+)"',
                r'else "(history_\w+)"', r'code, where = "(\w+)"', r'Unmovable\("(\w+)"',
                r'Refused\(\w+, "(\w+)"', r'Failure\("(\w+)"', r'reason(?:, wait)? = "(\w+)"',
                r'doubt = "(\w+)"', r'"refused: (\w+)"')  # fmt: skip
    places = ("errors/*.py", "engines/*.py", "augmentation/*.py", "augment_variants.py", "slicing/*.py", "modes/*.py",
              "screens/images.py", "trajectories.py", "writer/*.py")  # fmt: skip
    files = [file for place in places for file in (ROOT / "pipeline").glob(place)]
    sources = [file.read_text(encoding="utf-8") for file in files]
    given = {code for source in sources for pattern in patterns for code in re.findall(pattern, source, re.MULTILINE)}
    given |= set(GUARDS)
    page = (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert {code for code in given if f"`{code}`" not in page} == set()
    page = page.replace(generate.between(page, "import"), "")  # a table of its own, held by the test below
    explained = set(re.findall(r"`(\w+)`", page)) - set(CHECKS)
    assert explained - given == set()
