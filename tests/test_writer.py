"""`--thoughts-from`: a real server writes the thoughts; only good ones are taken, and a rerun asks for nothing."""

import json
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import build
import pytest
from chat_server import ChatServer, Reply, answer, said, serving

from pipeline import augment_errors
from pipeline.actions import Button, Click, Scroll, Type, Wait
from pipeline.augment_errors import AugmentConfig
from pipeline.errors.thoughts import CELLS, say
from pipeline.exceptions import StageError
from pipeline.records import Lang, Sample
from pipeline.stage import Running
from pipeline.storage.dataset import Dataset
from pipeline.writer import WriterSettings
from pipeline.writer.rules import objection

KEY = "sk-secret-0123456789"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slice eight trajectories, some in Chinese, in two shards."""
    root = tmp_path_factory.mktemp("writer")
    for number in range(8):
        document = build.trajectory(f"t{number}", 5, first_screen=number * 10)
        if number % 2:
            document.update(goal=f"打开第{number}项", lang="zh")
        build.write(root / "in", document)
    build.sliced(root / "in", root / "d", shard_size=4)
    return root / "d"


def asked_for(body: dict[str, Any]) -> tuple[list[list[str]], bool]:
    """Return the names that each thought must say, and whether it is to be Chinese."""
    system, user = body["messages"]
    texts = [part["text"] for part in user["content"] if part["type"] == "text"]
    decisions = [text for text in texts if text.startswith("Decision ")]
    names = [json.loads(f"[{t.partition('must say: ')[2]}]") for t in decisions]
    return names, "Chinese" in system["content"]


def good(number: int, body: dict[str, Any]) -> Reply:
    """Answer as a good model would."""
    names, chinese = asked_for(body)
    said_names = [" ".join(f"“{n}”" if chinese else f'"{n}"' for n in each) for each in names]
    if chinese:
        wrong, right = f"看到了{said_names[0]}，点一下试试看。", f"刚才的点击没有任何反应，改用{said_names[1]}。"
    else:
        wrong = f"There is {said_names[0]} up here, and I try it first."
        right = f"My tap changed nothing at all, so now {said_names[1]} it is."
    return answer(wrong, right)


def settings(server: ChatServer | str, tmp_path: Path, **options: Any) -> WriterSettings:
    """Return settings with a cache below the test's folder."""
    url = server if isinstance(server, str) else server.url
    return WriterSettings.of(url, "tiny-vl", str(tmp_path / "cache"), **options)


def run(source: Path, out: Path, writer: WriterSettings, **running: Any) -> Dataset:
    """Augment with thoughts from the server, in this process."""
    with build.in_process():
        config = AugmentConfig(rate=0.3, kinds=("tap_dead",), writer=writer)
        augment_errors.run(source, out, config, Running(**running))
    return Dataset.open(out)


def errors(dataset: Dataset) -> list[Sample]:
    """Return the error-correction samples."""
    return [sample for sample in dataset.samples() if sample.origin == "error_correction"]


def test_the_server_writes_the_thoughts(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees the screens, in its thoughts stands what the wordings name, and every check passes."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(good) as server:
        dataset = run(source, tmp_path / "out", settings(server, tmp_path))
    found = errors(dataset)
    assert dataset.manifest.details["thoughts"] == {"written": len(found)}
    assert len(server.asked) == len(found) > 6
    for sample in found:
        wrong, right = sample.turns[-2:]
        assert re.search("试试看" if sample.lang == "zh" else "I try it first", wrong.thought or "")
        assert re.search("没有任何反应" if sample.lang == "zh" else "changed nothing at all", right.thought or "")
        assert right.thought in (sample.messages[-1].content[0].text or "")
        assert re.fullmatch(r"tiny-vl [0-9a-f]{64}", sample.provenance["thoughts"])
    assert build.validated(tmp_path / "out").findings == 0
    for body in server.asked:
        parts = body["messages"][1]["content"]
        pictures = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        assert len(pictures) == 2
        assert all(url.startswith("data:image/jpeg;base64,/9j/") for url in pictures)
        assert body["model"] == "tiny-vl"
    assert {header["Authorization"] for header in server.headers} == {f"Bearer {KEY}"}
    written = [path for folder in ("out", "cache") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)
    assert not any(b"127.0.0.1" in path.read_bytes() for path in written)


def test_a_rerun_asks_for_nothing_and_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    """Whatever the order of the answers, the number of workers, or whether the server is still there."""
    with serving(good) as server:
        run(source, tmp_path / "a", settings(server, tmp_path))
        asked = len(server.asked)
        run(source, tmp_path / "b", settings(server, tmp_path, concurrency=1))
        run(source, tmp_path / "a", settings(server, tmp_path), fresh=True)
    assert len(server.asked) == asked
    gone = settings("http://127.0.0.1:9", tmp_path, concurrency=3)
    augment_errors.run(  # with worker processes
        source, tmp_path / "c", AugmentConfig(rate=0.3, kinds=("tap_dead",), writer=gone), Running(workers=2)
    )
    assert build.tree(tmp_path / "a") == build.tree(tmp_path / "b") == build.tree(tmp_path / "c")


def test_no_more_questions_at_a_time_than_allowed(source: Path, tmp_path: Path) -> None:
    """In all workers together; and as many as allowed are really under way at once."""
    meeting = threading.Barrier(2, timeout=30)

    def script(number: int, body: dict[str, Any]) -> Reply:
        if number < 2:
            meeting.wait()  # only two at once get past this
        return good(number, body)

    with serving(script) as server:
        writer = settings(server, tmp_path, concurrency=2)
        config = AugmentConfig(rate=0.3, kinds=("tap_dead",), writer=writer)
        augment_errors.run(source, tmp_path / "out", config, Running(workers=4))
    assert server.busiest == 2


@pytest.mark.parametrize(
    ("workers", "concurrency", "each"), [(1, 4, 4), (2, 4, 2), (3, 4, 1), (8, 4, 1), (2, 1, 1), (4, 9, 2)]
)
def test_workers_share_the_limit(tmp_path: Path, workers: int, concurrency: int, each: int) -> None:
    """Never more than it, at least one for each that runs."""
    writer = settings("http://host", tmp_path, concurrency=concurrency)
    assert writer.shared(workers).concurrency == each
    assert each * min(workers, concurrency) <= concurrency


BAD: list[tuple[str, Reply]] = [
    ("garbled", said("I tap it.")),
    ("garbled", answer("only one")),
    ("status_400", (400, {}, b"no pictures please")),
    ("target_missing", answer("I tap the thing over there now.", "Nothing happened, so I take the other one.")),
]


@pytest.mark.parametrize(("reason", "reply"), BAD)
def test_a_bad_thought_is_not_taken(source: Path, tmp_path: Path, reason: str, reply: Reply) -> None:
    """Our wording stands, the report says why and how often; the rerun comes to the same."""
    with serving(lambda n, body: reply) as server:
        dataset = run(source, tmp_path / "out", settings(server, tmp_path))
        plain = build.augmented(source, tmp_path / "plain", rate=0.3, kinds=("tap_dead",))
        assert errors(dataset) == errors(plain)
        assert dataset.manifest.details["thoughts"] == {f"template: {reason}": len(errors(plain))}
        asked = len(server.asked)
        again = run(source, tmp_path / "again", settings(server, tmp_path))
        assert build.tree(tmp_path / "again") == build.tree(tmp_path / "out")
        assert len(server.asked) == asked
    with serving(good) as server:
        again = run(source, tmp_path / "again", settings(server, tmp_path), fresh=True)
    mended = {"written": len(errors(plain))} if reason == "status_400" else dataset.manifest.details["thoughts"]
    assert again.manifest.details["thoughts"] == mended


def test_a_refused_key_ends_the_run_and_what_was_answered_is_kept(source: Path, tmp_path: Path) -> None:
    """The same command goes on from there."""

    def script(number: int, body: dict[str, Any]) -> Reply:
        return good(number, body) if number < 3 else (401, {}, b"")

    with serving(script) as server:
        with pytest.raises(StageError, match=r"found the key refused \(HTTP 401\)"):
            run(source, tmp_path / "out", settings(server, tmp_path, concurrency=1))
        server.script = good
        before = len(server.asked)
        dataset = run(source, tmp_path / "out", settings(server, tmp_path, concurrency=1))
        assert len(server.asked) - before == len(errors(dataset)) - 3


def test_the_command_line(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache lies beside the output; each mistake is one line."""
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(good) as server:
        done = build.gdp(
            "augment-errors", source, "-o", tmp_path / "out", "--thoughts-from", server.url, "--thoughts-model", "m",
            "--thoughts-key-env", "MY_KEY", "--kind", "tap_dead", "--workers", 1,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "thoughts" in done.stderr
    assert KEY not in done.stderr + done.stdout
    assert len(list((tmp_path / "out.thoughts").rglob("*.json"))) == len(server.asked) > 0
    assert {header["Authorization"] for header in server.headers} == {f"Bearer {KEY}"}
    for options, line in (
        (["--thoughts-from", server.url], "--thoughts-model: found none"),
        (["--thoughts-model", "m"], "--thoughts-model: found it without --thoughts-from"),
        (["--thoughts-from", "nowhere", "--thoughts-model", "m"], "--thoughts-from: found no usable address"),
    ):
        done = build.gdp("augment-errors", source, "-o", tmp_path / "x", *options)
        assert done.returncode == 2
        assert done.stderr.startswith(line), done.stderr


GOOD: list[tuple[Lang, str, dict[str, Any]]] = [
    (
        "en",
        'I tapped "相册" and nothing happened, so I take "Open 3".',
        {"named": ("相册", "Open 3"), "failed": Click()},
    ),
    ("zh", "点击“Photos & Videos”之后没有变化，改用“New”。", {"named": ("Photos & Videos", "New"), "failed": Click()}),
    ("en", "The page is the same after typing, so I tap the field.", {"failed": Type(text="x")}),
    ("zh", "返回之后到了上一页，重新进去。", {"failed": Button(name="back")}),
    ("en", 'I choose "Room (12, 40)" on this page now.', {"named": ("Room (12, 40)",)}),
    ("en", "There are 3 files here and 2 more below the fold.", {}),
]


@pytest.mark.parametrize(("lang", "text", "facts"), GOOD)
def test_a_good_thought_passes(lang: Lang, text: str, facts: dict[str, Any]) -> None:
    """Names may be in any language and hold any numbers."""
    assert objection(text, lang, **facts) is None


OBJECTIONS: list[tuple[str, Lang, str, dict[str, Any]]] = [
    ("target_missing", "en", "I tap the button that I need now.", {"named": ("Photos",)}),
    ("target_missing", "zh", "点击需要的那个按钮，继续任务。", {"named": ("相册",)}),
    ("length", "en", "Tap.", {}),
    ("length", "en", "I tap it. " * 60, {}),
    ("length", "zh", "点它。", {}),
    ("length", "zh", "点击它。" * 60, {}),
    ("length", "en", '"Photos"', {"named": ("Photos",)}),
    ("coordinates", "en", "I tap the button at (512, 300) on the screen.", {}),
    ("coordinates", "en", "I tap the button at [0.5, 0.3] on the screen.", {}),
    ("coordinates", "en", "The button is at x=512 on the screen.", {}),
    ("coordinates", "en", "It is 40 px lower than I thought it was.", {}),
    ("coordinates", "en", "I check the coordinates of the button first.", {}),
    ("coordinates", "zh", "点击屏幕上（512，300）的位置。", {}),
    ("coordinates", "zh", "点击按钮所在的坐标，继续操作。", {}),
    ("give_away", "en", "This injected mistake did nothing, so I go on.", {}),
    ("give_away", "en", "According to the ground truth I tap the other one.", {}),
    ("give_away", "en", "The red circle shows where I tapped before.", {}),
    ("give_away", "en", "This step is labelled as an error, so I correct it.", {}),
    ("give_away", "en", "I deliberately tapped the wrong one before this.", {}),
    ("give_away", "en", "As a language model I cannot see what happened.", {}),
    ("give_away", "zh", "这一步被标注为错误，改为点击正确的按钮。", {}),
    ("give_away", "zh", "红圈显示了刚才点击的位置，改点别处。", {}),
    ("language", "en", "点击之后屏幕没有变化，改用另一个按钮，再继续完成这个任务。", {}),
    ("language", "en", "I tap 相册 because the task needs it now.", {}),
    ("language", "zh", "The screen did not change, so I tap another one.", {}),
    ("failure_missing", "en", "The album is what the task needs. Opening it.", {"failed": Wait()}),
    ("failure_missing", "en", "The album is what the task needs. Opening it.", {"failed": Click()}),
    ("failure_missing", "en", "The album is what the task needs. Opening it.", {"failed": Scroll(direction="up")}),
    ("failure_missing", "zh", "任务需要的是相册，现在打开它。", {"failed": Wait()}),
]


@pytest.mark.parametrize(("reason", "lang", "text", "facts"), OBJECTIONS)
def test_a_bad_thought_has_its_reason(reason: str, lang: Lang, text: str, facts: dict[str, Any]) -> None:
    """Each rule by itself."""
    assert objection(text, lang, **facts) == reason


def test_our_own_wordings_keep_the_rules() -> None:
    """What the server must not do we do not either; the name of what was tapped is mention enough."""
    names = {
        "wrong": "My files",
        "target": "Photos",
        "slip": "Tap it",
        "text": "hello",
        "way": "down",
        "close": "Close",
    }
    failed = {"tap": Click(), "type": Type(text="x"), "scroll": Scroll(), "wait": Wait(), "back": Button(name="back"),
              "wrong": Click(), "undo": Scroll(), "missed": Wait(), "noop": Click()}  # fmt: skip
    found: Counter[str] = Counter()
    for cell, wordings in CELLS.items():
        repairs = cell.removesuffix("_plain").endswith(("_right", "_escape", "_retry"))
        for lang in ("en", "zh"):
            slots = {slot: name for slot, name in names.items() if f"{{{slot}}}" in wordings[lang][0]}
            for n in range(60):
                text = say(cell, lang, n, **slots)
                action = failed.get(cell.split("_")[0]) if repairs and "wrong" not in slots else None
                reason = objection(text, lang, failed=action)
                if reason:
                    found[f"{cell} {lang} {reason}: {text}"] += 1
    assert dict(found) == {}
