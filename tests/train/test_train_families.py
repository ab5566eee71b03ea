"""Every family that `gdp train` takes: a tiny model of the real classes, its masks, its refusals, a whole run."""

import functools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tiny_models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.exceptions import ContractError, InputError, StageError
from pipeline.records import ImageRef, Message, Part
from pipeline.storage.dataset import Dataset
from train.config import load
from train.encoding import contract, offsets, template_check
from train.encoding.data import Encoder, Item
from train.encoding.template import Template
from train.encoding.tokens import IGNORED
from train.models import model
from train.quiet import quietly
from train.run import RunOptions, run
from train.show import samples

ENDS = {"llava": "</s>", "idefics3": "<end_of_utterance>", "gemma3": "<end_of_turn>", "internvl": "<|im_end|>"}
"""What ends a turn in each family."""

SCREENS = [ImageRef("0" * 64, 0, n, width, height) for n, (width, height) in enumerate([(288, 640), (544, 352)])]

SPELLINGS = (
    *ENDS.values(), "<image>", "<start_of_image>", "<image_soft_token>", "<IMG_CONTEXT>", "<|im_start|>assistant\n",
    "<start_of_turn>model\n", "ASSISTANT:", "Assistant:", "<fake_token_around_image>", "<row_1_col_1>", "<s>", "<bos>",
    "\n\n", " ", "é", "漢字", "👍🏽", "<tool_call>", "<", "|>", "assistant", "\ue000",
)  # fmt: skip
plain = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
hostile = st.lists(st.sampled_from(SPELLINGS) | plain, max_size=6).map("".join)
each_family = pytest.mark.parametrize("family", tiny_models.FAMILIES)
QUICK = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what gives the folder of a family's tiny model, built once."""
    home = tmp_path_factory.mktemp("models")
    return functools.cache(lambda family: tiny_models.save(family, home / family))


@pytest.fixture(scope="session")
def frame(folder: Callable[[str], Path]) -> Callable[[str], Template]:
    """Return what gives the frame of a family."""
    from transformers import AutoConfig

    from train.encoding import processor

    @functools.cache
    def made(family: str) -> Template:
        with quietly():
            path = str(folder(family))
            return Template.of(processor.of_model(path, AutoConfig.from_pretrained(path), None), family)

    return made


def say(role: str, text: str, weight: float = 0.0) -> Message:
    """Return a message of one text."""
    return Message(role, (Part("text", text=text),), weight)


def shows(image: int, text: str) -> Message:
    """Return a user message of a text, a screenshot, and the text again."""
    return Message("user", (Part("text", text=text), Part("image", image=image), Part("text", text=text)))


def conversation(*texts: str, weights: tuple[float, float] = (0.0, 1.0)) -> list[Message]:
    """Return two turns, each on its own screenshot, and the system prompt before them."""
    system, first, earlier, second, answer = texts
    return [
        say("system", f"s{system}"),
        shows(0, first),
        say("assistant", f"a{earlier}.", weights[0]),
        shows(1, second),
        say("assistant", f"T{answer}.", weights[1]),
    ]


@each_family
def test_a_tiny_model_is_an_ordinary_model_folder(family: str, folder: Any, tmp_path: Path) -> None:
    """AutoModel loads it by its config alone, complete, and building it again gives the same bytes."""
    from transformers import AutoModelForImageTextToText

    again = tiny_models.save(family, tmp_path)
    _, info = AutoModelForImageTextToText.from_pretrained(again, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    for path in sorted(again.iterdir()):
        assert path.read_bytes() == (folder(family) / path.name).read_bytes(), path.name


@each_family
@QUICK
@given(texts=st.tuples(*[hostile] * 5), weights=st.sampled_from([(0.0, 1.0), (0.5, 1.0), (1.0, 0.0)]))
def test_text_cannot_change_what_is_trained(family: str, texts: Any, weights: Any, frame: Any) -> None:
    """What is trained reads as the response and its end, at its weight, whatever texts spell; pictures stay as many."""
    own, messages = frame(family), conversation(*texts, weights=weights)
    encoded = own.encode("s", messages, SCREENS)
    assert encoded.input_ids.count(own.image_pad) == sum(own.image_tokens(SCREENS))
    trained: dict[float, list[int]] = {}
    for label, weight in zip(encoded.labels, encoded.weights, strict=True):
        assert (label != IGNORED) == (weight > 0)
        if weight > 0:
            trained.setdefault(weight, []).append(label)
    for message in messages:
        if message.loss_weight > 0:
            said = own.tokenizer.decode(trained.pop(message.loss_weight))
            end = ENDS[family] if family != "llava" or message is messages[-1] else ""
            assert said.lstrip(" ") == f"{message.content[0].text}{end}"
    assert not trained


@each_family
@QUICK
@given(texts=st.tuples(*[hostile] * 5), weights=st.sampled_from([(0.0, 1.0), (0.5, 1.0), (1.0, 0.0)]))
def test_the_processor_and_prefixes_of_ids_agree(family: str, texts: Any, weights: Any, frame: Any) -> None:
    """The family's processor makes the same ids of the conversation, and the difference of prefixes the same labels."""
    template_check.check("s", conversation(*texts, weights=weights), SCREENS, frame(family))


@each_family
def test_what_follows_the_end_of_a_turn_is_not_trained(family: str, frame: Any) -> None:
    """The newline that the template puts behind a turn belongs to the frame."""
    own = frame(family)
    encoded = own.encode("s", conversation(*["x"] * 5, weights=(1.0, 0.0)), SCREENS)
    last = max(place for place, label in enumerate(encoded.labels) if label != IGNORED)
    if family == "llava":
        assert own.tokenizer.decode(encoded.labels[last]) == "."
    else:
        assert own.tokenizer.decode(encoded.labels[last]) == ENDS[family]
        assert "\n" in own.tokenizer.decode(encoded.input_ids[last + 1 : last + 2])


@each_family
def test_weights_within_a_turn_stand_at_their_characters(family: str, frame: Any) -> None:
    """A run of weights is laid over the response; a token across a border takes the larger one."""
    messages = [say("user", "x"), say("assistant", "Thought: one <image> two", 1.0)]
    run = ((9, 0.0), (4, 2.0), (11, 0.5))
    encoded = frame(family).encode("s", messages, [], [None, run])
    decode = frame(family).tokenizer.decode
    heavy = [token for token, weight in zip(encoded.input_ids, encoded.weights, strict=True) if weight == 2.0]
    light = [token for token, weight in zip(encoded.input_ids, encoded.weights, strict=True) if weight == 0.5]
    assert decode(heavy).strip() == "one"
    assert decode(light).strip().replace(" ", "") == "<image>two"
    assert encoded.weights[encoded.labels.index(heavy[0]) - 1] == 0
    end = [weight for label, weight in zip(encoded.labels, encoded.weights, strict=True) if label != IGNORED][-1]
    assert end == 1.0


@pytest.mark.parametrize(("family", "parts"), [("internvl", ("<|im_", "end|>")), ("gemma3", ("<start_of_", "turn>"))])
def test_texts_that_only_together_spell_a_control_token_are_refused(
    family: str, parts: tuple[str, str], frame: Any
) -> None:
    """No piece spells it, so no mark breaks it; the tokens tell."""
    both = Message("user", tuple(Part("text", text=text) for text in parts))
    with pytest.raises(InputError, match=r"^s-7: its texts make control tokens of the model \(\d+ where"):
        frame(family).encode("s-7", [both, say("assistant", "y", 1.0)], [])


def test_a_response_that_melts_into_its_header_is_refused(frame: Any) -> None:
    """At inference the header is there before the model speaks: a token over both could not be learned."""
    tokenizer = frame("gemma3").tokenizer
    with pytest.raises(InputError, match=r"^s-8: the model's tokenizer joins the start of the response .*\('Th'\)"):
        offsets.tokens("s-8", tokenizer, "Thought", [0.0, *[1.0] * 6], {1}, "\ue000")
    assert offsets.tokens("s-8", tokenizer, "Thought", [0.0, 0.0, *[1.0] * 5], {2}, "\ue000").trained


def altered(folder: Path, target: Path, old: str, new: str) -> Path:
    """Return a copy of the model folder with something else in its chat template."""
    shutil.copytree(folder, target)
    template = (target / "chat_template.jinja").read_text()
    assert old in template
    (target / "chat_template.jinja").write_text(template.replace(old, new))
    return target


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("part['text'] }}", "part['text'] | upper }}", "does not write the response as it is: 'TX.<|im_end|>"),
        ("'\n' }}\n    {%- for", "'\n' }}{{ 'Sure: ' if message['role'] == 'assistant' }}{%- for", "'Sure: Tx."),
        ("    {{- '<|im_end|>\n' }}", "{{- ' (end)<|im_end|>\n' }}", "puts ' (end)<|im_end|>"),
        ("{%- for message in messages %}", "{{- messages | length }}{%- for message in messages %}", "otherwise where"),
        ("'<IMG_CONTEXT>\n' if", "'' if", "shows 0 pictures, expected 2"),
    ],
)  # fmt: skip
def test_a_template_that_bends_a_turn_is_refused(
    old: str, new: str, message: str, folder: Any, tmp_path: Path, dataset: Dataset
) -> None:
    """One line that names the sample, and no mask that is nearly right."""
    path = altered(folder("internvl"), tmp_path / "m", old, new)
    own = Encoder(model.processor_of(str(path), dataset), dataset.manifest.contract, "m").frame
    with pytest.raises(InputError) as caught:
        own.encode("s-3", conversation(*["x"] * 5), SCREENS)
    assert caught.value.where == "s-3"
    assert message in caught.value.message


def test_turns_in_a_row_that_a_template_refuses_are_one_line(folder: Any, dataset: Dataset, tmp_path: Path) -> None:
    """MAI-UI's layout has them; the hint names a layout that has not."""
    with pytest.raises(InputError, match="roles must alternate between user and assistant") as caught:
        run(dataset.place, tmp_path / "run", load(None), RunOptions(model=str(folder("gemma3")), quiet=True))
    assert "--layout qwen3-vl" in (caught.value.hint or "")
    assert not (tmp_path / "run").exists()


def test_another_processor_stops_the_run(frame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor comes to other tokens than we do, the second opinion says so and names the sample."""
    monkeypatch.setattr(template_check, "by_processor", lambda *_, **__: [1, 2, 3])
    with pytest.raises(StageError, match=r"^s-4: at token 0 of \d+ the model's processor gives \[1, 2, 3\]"):
        template_check.check("s-4", conversation(*["x"] * 5), SCREENS, frame("internvl"))


def test_pixel_coordinates_are_refused_for_another_family(folder: Any, sliced: Any) -> None:
    """Its processor sizes screenshots itself, so pixels of ours are not its own."""
    with pytest.raises(ContractError, match="a llava model, whose processor sizes screenshots itself") as caught:
        model.processor_of(str(folder("llava")), Dataset.open(sliced(2, layout="qwen2.5-vl")))
    assert "--layout qwen3-vl" in (caught.value.hint or "")


def test_a_processor_that_cuts_the_screenshot_is_refused(folder: Any, dataset: Dataset, tmp_path: Path) -> None:
    """LLaVA's centre crop leaves the top and bottom of a phone's screen unseen."""
    shutil.copytree(folder("llava"), tmp_path / "m")
    path = tmp_path / "m" / "processor_config.json"
    path.write_text(path.read_text().replace('"do_pad": true', '"do_pad": false'))
    own = Encoder(model.processor_of(str(tmp_path / "m"), dataset), dataset.manifest.contract, "m").frame
    assert isinstance(own, Template)
    with pytest.raises(ContractError, match="cuts the top edge of a screenshot of 288x640 away"):
        contract.notes("m", msgspec.defstruct("C", [("model_type", str)])("llava"), own, SCREENS)


def test_a_model_without_pictures_in_its_template_is_refused(folder: Any, dataset: Dataset, tmp_path: Path) -> None:
    """No chat template, no masks."""
    shutil.copytree(folder("internvl"), tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").unlink()
    with pytest.raises(ContractError, match="its processor has no chat template"):
        model.processor_of(str(tmp_path / "m"), dataset)


@each_family
def test_a_whole_run(
    family: str, folder: Any, alternating: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained, saved, read back and the same; what its processor does with screenshots is said."""
    report = run(alternating, tmp_path / "run", load(None), RunOptions(model=str(folder(family)), max_steps=1))
    said = capsys.readouterr().err
    assert f"NO LAYOUT WAS MADE FOR {family}" in said
    assert re.search(r"screenshots: \d+x\d+ becomes .*tokens\)$", said, re.MULTILINE)
    assert report.verified["reloaded_from_trained"] == 0
    assert report.verified["inverted_pixels_from_true"]
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(written["targets"]["matches"]["llm"]) == 14
    video = tmp_path / "run" / "adapter" / "video_preprocessor_config.json"
    assert video.exists() == (family == "internvl")
    if family == "internvl":  # without it `AutoProcessor` refuses the adapter where torchvision is installed
        assert json.loads(video.read_text()) == {"video_processor_type": "InternVLVideoProcessor"}
    shown = next(samples(Dataset.open(alternating), 1, str(folder(family)), colour=False))
    assert shown.count("⟦") == 1
    assert shown.split("⟦")[1].split("⟧")[0].strip().startswith("Thought: ")


def test_a_sample_without_training_is_named(frame: Any) -> None:
    """No weight anywhere, or weights of 0 within: an error, not a loss of NaN."""
    messages = [say("user", "x"), say("assistant", "y")]
    with pytest.raises(InputError, match=r"^s-5: no message has a loss_weight above 0"):
        frame("gemma3").encode("s-5", messages, [])
    with pytest.raises(InputError, match=r"^s-6: a user message has loss_weight"):
        frame("gemma3").encode("s-6", [say("user", "x", 1.0)], [])


def test_items_without_pictures_and_with_go_into_one_batch(folder: Any, alternating: Path) -> None:
    """Pictures stand in the order of the samples that show them; tokens tell how many there are."""
    from PIL import Image

    from train.encoding.data import Collator, Example

    dataset = Dataset.open(alternating)
    for family in tiny_models.FAMILIES:
        encoder = Encoder(model.processor_of(str(folder(family)), dataset), dataset.manifest.contract, family)
        assert isinstance(encoder.frame, Template)
        texts = Item("text", (say("user", "x"), say("assistant", "y", 1.0)), ())
        both = Item("both", tuple(conversation(*["x"] * 5)), tuple(SCREENS))
        pictures = [Image.new("RGB", (ref.width, ref.height)) for ref in SCREENS]
        made = [Example(item.sample_id, encoder.tokens(item)[0], shown, encoder.tokens(item)[1])
                for item, shown in ((texts, []), (both, pictures))]  # fmt: skip
        batch = Collator(encoder.processor, encoder.frame)(made)
        assert (batch["input_ids"] == encoder.frame.image_pad).sum(1).tolist() == [0, sum(made[1].image_tokens)]
        loaded = model.load(model.find(str(folder(family)), dataset, Path("unused")), load(None).sft)
        from train.models.loss import token_losses

        losses, _ = token_losses(loaded, batch)
        assert bool((losses > 0).all())
        made[1].image_tokens[0] += 1
        with pytest.raises(StageError, match=r"^both: its tokens hold \d+ image tokens, its pictures \d+"):
            Collator(encoder.processor, encoder.frame)(made)


@each_family
def test_answers_are_asked_for_as_turns_are_trained(family: str, folder: Any, alternating: Path) -> None:
    """What a model of another family is asked ends where the trained turn begins; batches of any lengths agree."""
    from train.evaluation.generate import Generator, prompt_length

    dataset = Dataset.open(alternating)
    base = model.find(str(folder(family)), dataset, Path("unused"))
    encoder = Encoder(base.processor, dataset.manifest.contract, family)
    items = [Item(sample.sample_id, sample.messages, sample.images) for sample in dataset.samples("val")][:3]
    for item in items:
        encoded, _ = encoder.tokens(item)
        prompt = encoder.frame.tokenizer.decode(encoded.input_ids[: prompt_length(encoded)])
        assert prompt.rstrip().endswith(("ASSISTANT:", "Assistant:", "model", "assistant"))
    loaded = model.load(base, load(None).sft)
    together, alone = (
        [
            answer.text
            for answer in Generator(dataset, encoder, base.processor, batch_size=size, max_new_tokens=3).answers(
                loaded, items
            )
        ]
        for size in (3, 1)
    )
    assert together == alone
