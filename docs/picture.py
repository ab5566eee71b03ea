"""Draw a sample as the README shows it: screenshots with their clicks, the answers under them, the trained turn marked.

    python docs/picture.py DATASET SAMPLE_ID OUT.png

Needs Chromium and the test extra; only whoever changes the README runs it.
"""

import base64
import html
import shutil
import sys

from playwright.sync_api import sync_playwright

from pipeline.actions import target_point
from pipeline.records import Sample, Turn, joined
from pipeline.storage.dataset import Dataset

STYLE = """
* { box-sizing: border-box; margin: 0 }
body { font: 15px/1.45 "DejaVu Sans", "Noto Sans CJK SC"; background: #f4f5f7; color: #1c2430; padding: 28px }
.goal { background: #fff; border: 1px solid #d8dce3; border-radius: 10px; padding: 12px 18px; margin-bottom: 20px }
.goal b { color: #5a6577; font-weight: normal; margin-right: 8px }
.turns { display: flex; gap: 20px }
.turn { flex: 1; background: #fff; border: 1px solid #d8dce3; border-radius: 12px; padding: 16px; color: #5a6577 }
.turn.error { border-color: #d4a017; border-width: 2px }
.turn.trained { border-color: #12833c; border-width: 3px; color: #1c2430 }
h2 { font-size: 14px; margin-bottom: 12px; color: #1c2430 }
h2 span { float: right; font-weight: normal; color: #5a6577 }
.error h2 span { color: #a87b00 } .trained h2 span { color: #12833c; font-weight: bold }
.screen { position: relative; width: 236px; margin: 0 auto 14px }
.screen img { width: 100%; display: block; border-radius: 8px; border: 1px solid #d8dce3 }
.click { position: absolute; width: 30px; height: 30px; margin: -15px 0 0 -15px; border-radius: 50%;
  border: 3px solid #e0245e; background: #e0245e33 }
.trained .click { border-color: #12833c; background: #12833c33 }
pre { font: 12px/1.5 "DejaVu Sans Mono", "Noto Sans Mono CJK SC"; white-space: pre-wrap; overflow-wrap: anywhere }
"""


def main() -> None:
    """Read the arguments, draw the picture."""
    source, sample_id, out = sys.argv[1:]
    dataset = Dataset.open(source)
    sample = next(each for each in dataset.samples() if each.sample_id == sample_id)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1240, "height": 400}, device_scale_factor=1.5)
        page.set_content(document(dataset, sample))
        page.wait_for_load_state("networkidle")
        page.screenshot(path=out, full_page=True)
        browser.close()


def document(dataset: Dataset, sample: Sample) -> str:
    """Return the page: the goal, then every turn that shows its screenshot."""
    answers = [
        joined(message.content, tokens=True)[0].text or "" for message in sample.messages if message.role == "assistant"
    ]
    turns = "".join(
        card(dataset, sample, turn, answer)
        for turn, answer in zip(sample.turns, answers, strict=True)
        if turn.image is not None
    )
    goal = f"<div class=goal><b>task</b>{html.escape(sample.goal)}</div>"
    return f"<meta charset=utf-8><style>{STYLE}</style>{goal}<div class=turns>{turns}</div>"


def card(dataset: Dataset, sample: Sample, turn: Turn, answer: str) -> str:
    """Return one turn: the screenshot, the click, the answer."""
    assert turn.image is not None
    ref = sample.images[turn.image]
    picture = base64.b64encode(dataset.image(ref)).decode()
    kind, note = ("trained", "loss weight 1") if turn.loss_weight else ("", "loss weight 0")
    title = f"step {turn.step_index}"
    if turn.role == "error":
        kind, title = "error", f"{title}: a slip, injected"
    elif turn.role == "recovery":
        title = f"{title} again: the correction"
    point = target_point(turn.actions[0])
    click = f"<div class=click style='left:{point[0]:.2%};top:{point[1]:.2%}'></div>" if point else ""
    return (
        f"<div class='turn {kind}'><h2>{title}<span>{note}</span></h2>"
        f"<div class=screen><img src='data:image/jpeg;base64,{picture}'>{click}</div>"
        f"<pre>{html.escape(answer)}</pre></div>"
    )


if __name__ == "__main__":
    main()
