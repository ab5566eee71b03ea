"""Settings come from YAML, are checked by the schema, and say what is wrong with them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import schemas
from pipeline.exceptions import ConfigError
from pipeline.yamlfile import parse
from train.config import DEMO, RECIPES, TrainConfig, load


def written(folder: Path, text: str) -> Path:
    """Return a YAML file with the text."""
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_defaults_are_those_of_the_schema() -> None:
    """What the schema documents as default is what the code does."""
    definitions = schemas.load("training")["$defs"]
    for name, values in TrainConfig().to_dict()["training"].items():
        documented = {key: rule["default"] for key, rule in definitions[name]["properties"].items()}
        if name == "lora":
            documented["target_modules"] = (documented["target_modules"],)
        documented = {key: tuple(v) if isinstance(v, list) else v for key, v in documented.items()}
        assert documented == values


def test_numbers_in_scientific_notation_are_numbers(tmp_path: Path) -> None:
    """1e-4 is text in YAML 1.1, and what everybody writes."""
    assert load(written(tmp_path, "training: {sft: {learning_rate: 1e-4}}")).sft.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *[(text, text) for text in ("1:30", "1:30.5", "190:20:30", "017", "00", "yes", "No", "on", "off", "=", ".")],
        *[(text, None) for text in ("~", "null", "")],
        *[("true", True), ("False", False), ("0", 0), ("-5", -5), ("+5", 5), ("1_000", 1000), ("0x1F", 31)],
        *[("1e-4", 1e-4), (".5e3", 500.0), ("5.", 5.0), ("-.inf", -float("inf")), ("2026-11-28", "2026-11-28")],
    ],
)
def test_a_plain_value_is_what_stands_there(written: str, meant: Any) -> None:
    """YAML 1.1 makes 90 of 1:30, 15 of 017 and true of yes: nobody who writes that means it."""
    found = parse(f"key: {written}")["key"]
    assert (type(found), found) == (type(meant), meant)


def test_a_model_without_a_file_gets_the_defaults() -> None:
    """The demonstration's learning rate never reaches a real model by itself."""
    assert load(None).for_model("some/model") == TrainConfig()
    assert load(None).for_model(None) == load(DEMO)


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_load_and_begin_with_their_command(recipe: Path) -> None:
    """A recipe is complete and tells how it is run."""
    assert recipe.read_text().startswith("# gdp train ")
    load(recipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {sft: {learning_rate: x}}", r'\$\.training\.sft\.learning_rate: found "x", expected number'),
        ("training: {sft: {learning_rate: 0}}", r"\$\.training\.sft\.learning_rate: found 0, expected more than 0"),
        ("training: {sft: {num_train_epochs: 1:30}}", r'num_train_epochs: found "1:30", expected number$'),
        ("training: {sft: {max_tokens: 017}}", r'max_tokens: found "017", expected integer$'),
        ("training: {sft: {use_4bit: yes}}", r'use_4bit: found "yes", expected boolean$'),
        ("training: {sft: {learning_rate: .inf}}", r"learning_rate: found inf, expected a finite number"),
        ("training: {sft: {optim: lion}}", r"optim: found \"lion\", expected one of adamw_torch"),
        ("training: {sft: {eval_steps: 2.5}}", r"eval_steps: found 2.5, expected a whole number"),
        ("training: {loss: {thought: 0, action: 0, coordinates: 0, other: 0}}", "loss: found every weight 0"),
        ("training: {sft: {images: placeholder, cache_vision: disk}}", "cache_vision: found disk with images: placeh"),
        ("training: {sft: {warmup_ratio: 1}}", "warmup_ratio: found 1, expected less than 1"),
        ("training: {sft: {use_4bit: true, precision: fp16}}", r"precision: found fp16 together with use_4bit"),
        ("training: {lora: {target_modules: []}}", r"target_modules: found 0 items, expected at least 1$"),
        ("training: {lora: {target_modules: [llm, 1]}}", r"target_modules\[1\]: found 1, expected string$"),
        ("training: {lora: {target_modules: [llm, llm]}}", r'found \["llm", "llm"\], expected each once$'),
        ("training: {lora: {target_modules: 1}}", r"target_modules: found 1, expected string or array$"),
        ("training: {lora: {r: 1.5}}", r"\$\.training\.lora\.r: found 1.5, expected integer"),
        ("training: {lora: {r: 1, r: 2}}", r"key 'r' stands twice"),
        ("training:", r"\$\.training: found null, expected object"),
        ("{", "found malformed YAML"),
        ("", "found null, expected object"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, message: str) -> None:
    """Every error says where, what was found and what was expected."""
    with pytest.raises(ConfigError, match=message):
        load(written(tmp_path, text))


def test_an_unknown_key_hints_at_the_close_one(tmp_path: Path) -> None:
    """A typo is answered with the key that was meant."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "training: {sft: {learning_rte: 1e-4}}"))
    assert caught.value.hint == "did you mean learning_rate?"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """No file, no silent defaults."""
    with pytest.raises(ConfigError, match="cannot read it"):
        load(tmp_path / "none.yaml")


def test_settings_and_entry_point_import_no_torch() -> None:
    """`gdp --help` and the light install never pay for torch."""
    heavy = "{'torch', 'transformers', 'yaml'}"
    code = f"import sys, train.config, train.run, train.show, train.report; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
