"""`gdp validate --redact`: no secret is left in any text, the same one has one name, and nothing else changes."""

from pathlib import Path

import build
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.actions import KeyUp
from pipeline.checks import CHECKS as ALL
from pipeline.checks.secrets import spans
from pipeline.exceptions import ConfigError
from pipeline.records import Part, Sample
from pipeline.slicing.token_count import counter
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import MANIFEST
from pipeline.storage.tables import sample_row
from pipeline.validation.redact import CHECKS, NAMES, Names, find

SECRETS = {
    "ann.miller@corp.io": "email",
    "+49 30 1234567": "phone",
    "13912345678": "phone",
    "4111 1111 1111 1111": "card",
    "DE89 3704 0044 0532 0130 00": "iban",
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
        document["steps"][0]["observation"]["app"] = "Inbox - ann.miller@corp.io - Mail"
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
    assert not [row for row in report.refused if row["code"] in set(CHECKS)]
    text = everything(tmp_path / "clean")
    for part in ("ann.miller", "1234567", "4111 1111", "tulip"):
        assert part not in text
    assert "user1@example.com" in text
    again = build.validated(tmp_path / "clean")
    assert again.manifest.details["warnings"].keys().isdisjoint(set(CHECKS))
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


@pytest.mark.parametrize(
    "broken",
    ['{"actions": [{"text": "ann.miller@corp.io', '{"actions": ["ann.miller@corp.io"]}', '["a@corp.io", 1e999]'],
)
def test_a_broken_row_is_for_the_checks_to_tell(secret: Dataset, tmp_path: Path, broken: str) -> None:
    """It has no tree to look through; its text is looked through all the same."""
    content = {table: list(secret.rows(table, 0)) for table in ("steps", "images", "samples", "rejected")}
    content["steps"][1]["step"] = broken
    content["samples"][1]["turns"] = broken
    shards = build.write_shard(tmp_path / "bad", content)
    (tmp_path / "bad" / MANIFEST).write_bytes(replace(secret.manifest, shards=shards).to_json())
    report = build.validated(tmp_path / "bad", tmp_path / "clean", redact=True)
    assert "schema" in {row["code"] for row in report.refused}
    assert "@corp.io" not in everything(tmp_path / "clean")


def test_what_the_layout_cannot_say_is_redacted_text_by_text(secret: Dataset, tmp_path: Path) -> None:
    """Where the checks that would refuse it only warn: an action without a call, a part without a screenshot."""

    def odd(sample: Sample) -> Sample:
        (system, *others), (first, *turns) = sample.messages, sample.turns
        shown = replace(system, content=(*system.content, Part("image", None, -1)))
        return replace(sample, messages=(shown, *others), turns=(replace(first, actions=(KeyUp(key="a"),)), *turns))

    content = {table: list(secret.rows(table, 0)) for table in ("steps", "images", "rejected")}
    content["samples"] = [sample_row(odd(sample)) for sample in secret.shard_samples(0)]
    shards = build.write_shard(tmp_path / "odd", content)
    (tmp_path / "odd" / MANIFEST).write_bytes(replace(secret.manifest, shards=shards).to_json())
    levels = dict.fromkeys(ALL, "warning")
    report = build.validated(tmp_path / "odd", tmp_path / "clean", redact=True, levels=levels)
    assert report.manifest.counts["samples"].out == len(content["samples"])
    assert "@corp.io" not in everything(tmp_path / "clean")


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


def test_no_two_secrets_have_one_name() -> None:
    """Not at ten thousand of them, either; and no name is a secret."""
    for kind, name in NAMES.items():
        names = [name(number) for number in range(1, 12_000)]
        assert len(set(names)) == len(names), kind
        assert not any(spans(f"{each}.") for each in names), kind


SENTENCES = ["Call {}.", "Call {}, then wait", "({})", "{}\n", '"{}"', "to:{}", "是{}。"]


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("secret", [*SECRETS, "415-555-2671", "+86 138 1234 5678"])
def test_a_secret_is_found_where_a_sentence_ends(secret: str, sentence: str) -> None:
    """Punctuation hides nothing, and the whole of it is found."""
    text = sentence.format(secret)
    assert [text[start:end].rstrip('."，。,)') for start, end, _ in spans(text)] == [secret]


@pytest.mark.parametrize(
    "text",
    ["1700000000000", "Order 2023-10-11 12:30:45", "ISBN 9783161484100", "192.168.100.200", "13812345678.png",
     "git@github.com:org/repo.git", "sk-learn-package-of-models", "Password: ********", "IMG_20240101_123456789.jpg",
     "1,299,999,999.00", "v1.13812345678", "3f2a9c1e8b7d6f5a4c3b2a1908f7e6d5"],
)  # fmt: skip
def test_what_is_no_secret_is_left(text: str) -> None:
    """Times, order numbers, prices, hashes, names of files, masked fields."""
    assert spans(text) == []


def test_one_secret_in_several_notations_has_one_name(tmp_path: Path) -> None:
    """What the goal says is what the trained action types: otherwise the model would learn to invent it."""
    goal = "Log in as Ann.Miller@corp.io (password: tulip), call 139 1234 5678 or +49 30 1234567"
    document = build.trajectory("t", 6, goal=goal)
    texts = ["ann.miller@corp.io", "tulip", "13912345678", "+49301234567"]
    for step, text in zip(document["steps"], texts, strict=False):
        step["actions"] = [{"type": "type", "text": text, "src": f'type(text="{text}")'}]
        step["text"] = {"thought": f"The field is empty, so I type {text}.", "instruction": f'Type "{text}"'}
    build.write(tmp_path / "in", document)
    build.write(tmp_path / "in", build.trajectory("u", 2, goal="Plant a tulip", first_screen=20))
    build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0)
    build.validated(tmp_path / "d", tmp_path / "clean", redact=True)
    clean = Dataset.open(tmp_path / "clean")
    samples = list(clean.samples())
    assert {each.goal for each in samples if each.trajectory_id == "u"} == {"Plant a tulip"}, "another's word"
    last = next(each for each in reversed(samples) if each.trajectory_id == "t")
    typed = [turn.actions[0].text for turn in last.turns[:4]]
    assert last.goal == f"Log in as {typed[0]} (password: {typed[1]}), call {typed[2]} or {typed[3]}"
    for row in build.rows(clean, "steps") + build.rows(clean, "samples"):
        if row["trajectory_id"] == "t":
            assert not any(text in repr(row) for text in ("iller", "tulip", "12345678", "1234567"))
    again = build.validated(tmp_path / "clean")
    assert again.manifest.rejected.keys() <= build.validated(tmp_path / "d").manifest.rejected.keys()


def test_an_exact_count_of_tokens_stays_exact(tmp_path: Path) -> None:
    """A name is shorter than what it stands for; without the tokenizer that counted nothing is written."""
    tokenizer = str(build.byte_tokenizer(tmp_path))
    build.write(tmp_path / "in", build.trajectory("t", 3, goal="Write to ann.miller-and-sons@corporation.io"))
    before = build.sliced(tmp_path / "in", tmp_path / "d", val_fraction=0, tokenizer=tokenizer, max_tokens=9000)
    with pytest.raises(ConfigError, match="--tokenizer: found none, expected the tokenizer that gdp slice counted"):
        build.validated(tmp_path / "d", tmp_path / "clean", redact=True)
    build.validated(tmp_path / "d", tmp_path / "clean", redact=True, tokenizer=tokenizer)
    exact = counter(tokenizer, before.manifest.contract.factor)
    for one, two in zip(before.samples(), Dataset.open(tmp_path / "clean").samples(), strict=True):
        assert two.text_tokens_estimate == exact.text(two.messages) < one.text_tokens_estimate


def test_a_tokenizer_that_would_count_nothing_is_refused(secret: Dataset, tmp_path: Path) -> None:
    """The dataset's tokens are estimates, and stay that."""
    tokenizer = str(build.byte_tokenizer(tmp_path))
    with pytest.raises(ConfigError, match=r"--tokenizer: found .*, expected none"):
        build.validated(Path(secret.path), tmp_path / "clean", redact=True, tokenizer=tokenizer)


def test_prompts_of_the_dataset_keep_no_secret(tmp_path: Path) -> None:
    """They stand in the manifest and in every sample."""
    (tmp_path / "system.txt").write_text("You work for ann.miller@corp.io.", encoding="utf-8")
    build.corpus(tmp_path / "in", 2)
    command = ("slice", tmp_path / "in", "-o", tmp_path / "d", "--system-prompt", tmp_path / "system.txt", "-q")
    assert build.gdp(*command).returncode == 0
    build.validated(tmp_path / "d", tmp_path / "clean", redact=True)
    assert "ann.miller" not in everything(tmp_path / "clean")
    assert build.validated(tmp_path / "clean").findings == 0
