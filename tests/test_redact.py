"""`gdp validate --redact`: no secret is left in any text, the same one has one name, and nothing else changes."""

from pathlib import Path

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.secrets import spans
from pipeline.dataset import Dataset
from pipeline.redact import NAMES, Names, find

SECRETS = {
    "ann.miller@corp.io": "email",
    "+49 30 1234567": "phone",
    "13912345678": "phone",
    "4111 1111 1111 1111": "card",
    "hf_abcdefghijklmnopqrstuvwxyzABCDEF12": "credential",
}
WORDS = st.sampled_from(
    ['"', "\\", "\n", "Write to ", "密码是", "，", " at 12:30 ", "2026-01-02", "user@example.com", "é", "."]
)


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Slice recordings with secrets in every kind of text; the same address stands in two shards."""
    root = tmp_path_factory.mktemp("secret")
    for number in range(3):
        document = build.trajectory(f"t{number}", 3, goal="Send ann.miller@corp.io the number +49 30 1234567",
                                    first_screen=10 * number)  # fmt: skip
        document["steps"][1]["actions"] = [{"type": "type", "text": 'say "ann.miller@corp.io"'}]
        document["steps"][1]["text"] = {
            "thought": f"I type the address, and not 4111 1111 1111 1111, on page {number}."
        }
        document["steps"][0]["observation"]["elements"][0]["text"] = "password: tulip"
        build.write(root / "in", document)
    return build.sliced(root / "in", root / "sliced", val_fraction=0, shard_size=1)


def everything(folder: Path) -> str:
    """Return all texts of a dataset's tables, and its manifest."""
    dataset = Dataset.open(folder)
    tables = ("steps", "samples", "rejected")
    rows = [row for table in tables for row in build.rows(dataset, table)]
    return repr(rows) + (folder / "manifest.json").read_text(encoding="utf-8")


def test_no_secret_is_left_and_the_rest_is_as_it_was(secret: Dataset, tmp_path: Path) -> None:
    """Texts, trees, messages, refused rows: none has it; the new dataset is as good as the old one."""
    report = build.validated(Path(secret.path), tmp_path / "clean", redact=True)
    assert not [row for row in report.refused if row["code"] in {"email", "phone", "card", "credential"}]
    text = everything(tmp_path / "clean")
    for part in ("ann.miller", "1234567", "4111 1111", "tulip"):
        assert part not in text
    assert "user1@example.com" in text
    again = build.validated(tmp_path / "clean")
    assert again.manifest.details["warnings"].keys().isdisjoint({"email", "phone", "card", "credential"})
    assert again.findings == 0, again.refused
    clean = Dataset.open(tmp_path / "clean")
    assert clean.manifest.details["redacted"] == {"card": 1, "credential": 1, "email": 1, "phone": 1}
    for before, after in zip(secret.samples(), clean.samples(), strict=True):
        assert (before.sample_id, before.images, before.step_index) == (after.sample_id, after.images, after.step_index)
        assert after.goal == "Send user1@example.com the number 555-0001"
    typed = [turn.actions[0] for sample in clean.samples() for turn in sample.turns if turn.step_index == 1]
    assert {action.text for action in typed} == {'say "user1@example.com"'}


def test_a_dataset_without_secrets_stays_byte_for_byte(tmp_path: Path) -> None:
    """What has nothing to hide is not written differently."""
    build.sliced(build.corpus(tmp_path / "in", 2), tmp_path / "d", val_fraction=0)
    build.validated(tmp_path / "d", tmp_path / "plain")
    build.validated(tmp_path / "d", tmp_path / "redacted", redact=True)
    for table in ("steps", "samples"):
        one, two = (build.rows(Dataset.open(tmp_path / name), table) for name in ("plain", "redacted"))
        assert one == two


def test_without_an_output_there_is_nothing_to_write(secret: Dataset) -> None:
    """It would have no effect, so it is refused."""
    done = build.gdp("validate", secret.path, "--redact")
    assert done.returncode == 2
    assert "--redact: found no -o" in done.stderr


@given(st.lists(WORDS | st.sampled_from(sorted(SECRETS)), max_size=12))
def test_a_redacted_text_has_nothing_to_find(pieces: list[str]) -> None:
    """Whatever stands around a secret; and redacting again changes nothing."""
    text = " ".join(pieces)
    found: dict[str, dict[str, str]] = {}
    for start, end, kind in spans(text):
        known = found.setdefault(kind, {})
        known.setdefault(text[start:end], NAMES[kind](len(known) + 1))
    names = Names(found)
    once = names.text(text)
    assert spans(once) == []
    assert names.text(once) == once
    assert spans(Names({}).text(text)) == []


def test_names_do_not_depend_on_the_order_of_shards(secret: Dataset, tmp_path: Path) -> None:
    """One worker or two, the names are the same: they follow the alphabet."""
    names = find(secret)
    assert names == find(Dataset.open(secret.path))
    assert list(names.by_kind["email"]) == sorted(names.by_kind["email"])
