"""Sources in the exact on-disk form of other people's formats, written for tests."""

import gzip
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import build

from pipeline.importers.tfrecord import masked_crc


def picture(path: Path, number: int, width: int = build.WIDTH, height: int = build.HEIGHT, **options: Any) -> None:
    """Draw a screenshot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "JPEG" if path.suffix in {".jpg", ".jpeg"} else "PNG"
    path.write_bytes(build.encoded(build.screen(number, width, height), kind, **options))


def dump(path: Path, value: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


# --- AITZ and CAGUI


def aitz_step(number: int, kind: int = 4, **changes: Any) -> dict[str, Any]:
    """Return a step that taps x 0.25, y 0.5."""
    return {
        "episode_id": "77", "episode_length": 3, "step_id": number, "instruction": "Mute calls",
        "ui_positions": "[[80, 36, 40, 72], [780, 300, 40, 100], [900, 0, 20, 20]]",
        "ui_text": '["Calls", "Sound", "off"]', "ui_types": '["TEXT", "ICON_CALL", "TEXT"]',
        "result_action_type": kind, "result_action_text": "", "result_touch_yx": "[0.5, 0.25]",
        "result_lift_yx": "[0.5, 0.25]", "image_path": f"general/GENERAL-77/GENERAL-77_{number}.png",
        "coat_screen_desc": "A screen.", "coat_action_think": "I tap.", "coat_action_desc": "tap it",
        "coat_action_result": "It opens.", **changes,
    }  # fmt: skip


def aitz(root: Path, steps: Sequence[dict[str, Any]], name: str = "GENERAL-77") -> Path:
    """Write an episode; its pictures stand in the reverse order of their numbers."""
    dump(root / name / f"{name}.json", list(steps))
    for number in range(3):
        picture(root / name / f"GENERAL-77_{number}.png", number)
    return root


# --- GUI-Odyssey


def odyssey_step(number: int, action: str = "CLICK", info: Any = None, **changes: Any) -> dict[str, Any]:
    """Return a step that taps (250, 500) on the grid."""
    return {
        "step": number, "screenshot": f"12_{number}.png", "action": action,
        "info": [[250, 500]] if info is None else info, "ps": "", "description": "A screen.", "intention": "I tap.",
        "low_level_instruction": "Tap it", "context": "So far, nothing.", "sam2_bbox": [200, 450, 300, 550], **changes,
    }  # fmt: skip


def odyssey(root: Path, steps: Sequence[dict[str, Any]], *, pictures: int = 9, folder: str = "") -> Path:
    """Write an episode in the layout of the release."""
    dump(root / "annotations" / "12.json", {
        "episode_id": "12", "device_info": {"device_name": "Pixel Fold", "w": build.WIDTH, "h": build.HEIGHT},
        "task_info": {"category": "General_Tool", "app": ["Clock"], "meta_task": "Set {}", "task": "Set an alarm",
                      "instruction": "Use Clock to set an alarm."},
        "step_length": len(steps), "steps": list(steps),
    })  # fmt: skip
    dump(root / "splits" / "random_split.json", {"train": ["12.json"], "test": []})
    for number in range(pictures):
        picture(root / "screenshots" / folder / f"12_{number}.png", number)
    return root


# --- AndroidControl: protocol buffers and TFRecord


def varint(value: int) -> bytes:
    """Return a number as protocol buffers write it; negative ones take 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(*fields: tuple[int, bytes | int]) -> bytes:
    """Return a message of numbered fields: bytes, or numbers."""
    return b"".join(
        varint(number << 3 | 2) + varint(len(value)) + value if isinstance(value, bytes)
        else varint(number << 3) + varint(value)
        for number, value in fields
    )  # fmt: skip


def tf_example(features: dict[str, list[bytes] | list[int]], *, packed: bool = True) -> bytes:
    """Return a `tf.train.Example`."""
    entries = []
    for name, values in features.items():
        if values and isinstance(values[0], bytes):
            feature = message((1, message(*((1, value) for value in values))))
        elif packed:
            feature = message((3, message((1, b"".join(varint(int(value)) for value in values)))))
        else:
            feature = message((3, message(*((1, int(value)) for value in values))))
        entries.append((1, message((1, name.encode()), (2, feature))))
    return message((1, message(*entries)))


def tf_records(records: Sequence[bytes]) -> bytes:
    """Return the framing of a TFRecord file."""
    out = b""
    for record in records:
        length = struct.pack("<Q", len(record))
        out += length + struct.pack("<I", masked_crc(length)) + record + struct.pack("<I", masked_crc(record))
    return out


def node(
    unique_id: int,
    box: tuple[int, int, int, int],
    *flags: int,
    children: Sequence[int] = (),
    order: int = 0,
    **texts: str,
) -> bytes:
    """Return an AndroidAccessibilityNodeInfo; visible (23) and enabled (16) unless it says otherwise."""
    numbers = {"class_name": 3, "description": 4, "hint": 5, "package": 6, "text": 7}
    sides = message(*((side + 1, value) for side, value in enumerate(box)))
    return message(
        (1, unique_id), (2, sides), *((numbers[name], text.encode()) for name, text in texts.items()),
        *((flag, 1) for flag in (16, 23, *flags)), (25, b"".join(map(varint, children))), (30, order),
    )  # fmt: skip


def forest(*windows: tuple[int, int, Sequence[bytes]]) -> bytes:
    """Return an AndroidAccessibilityForest of windows: (layer, type, nodes); the last one is active."""
    return message(*(
        (1, message((4, layer), (6, kind), (8, int(number == len(windows) - 1)),
                    (11, message(*((1, each) for each in nodes)))))
        for number, (layer, kind, nodes) in enumerate(windows)
    ))  # fmt: skip


def control_episode(number: int, acts: Sequence[dict[str, Any] | bytes], **changes: Any) -> bytes:
    """Return an episode: one screenshot more than there are actions."""
    screens = [build.encoded(build.screen(each)) for each in range(len(acts) + 1)]
    tree = forest(
        (5, 2, [node(0, (0, 600, build.WIDTH, build.HEIGHT), package="keyboard")]),
        (1, 1, [
            node(0, (0, 0, build.WIDTH, build.HEIGHT), children=(1, 2, 3), class_name="android.widget.FrameLayout",
                 package="com.clock"),
            node(1, (90, 360, 180, 440), 14, class_name="android.widget.Button", text="Alarm"),
            node(2, (-10, -20, 50, 40), text="cut"),
            node(3, (0, 900, 50, 950), text="below"),
        ]),
    )  # fmt: skip
    features: dict[str, Any] = {
        "episode_id": [number], "goal": [b"Set an alarm"], "screenshots": screens,
        "accessibility_trees": [tree] * len(screens), "screenshot_widths": [build.WIDTH] * len(screens),
        "screenshot_heights": [build.HEIGHT] * len(screens),
        "actions": [act if isinstance(act, bytes) else json.dumps(act).encode() for act in acts],
        "step_instructions": [f"Do step {each}".encode() for each in range(len(acts))], **changes,
    }  # fmt: skip
    return tf_example({name: value for name, value in features.items() if value is not None})


def control(root: Path, *episodes: bytes, name: str = "android_control-00000-of-00001", plain: bool = False) -> Path:
    """Write a TFRecord file."""
    root.mkdir(parents=True, exist_ok=True)
    data = tf_records(episodes)
    (root / name).write_bytes(data if plain else gzip.compress(data))
    return root


# --- ScreenAgent


def click(x: float, y: float, kind: str = "click", button: str = "left") -> dict[str, Any]:
    """Return a mouse action."""
    return {"action_type": "MouseAction", "mouse_action_type": kind, "mouse_button": button,
            "mouse_position": {"width": x, "height": y}}  # fmt: skip


def said(actions: Any, text: str = "I click.") -> str:
    """Return a model's reply."""
    return f"{text}\n```json\n{json.dumps(actions)}\n```\nThat is all."


def screenagent_reply(stamp: str, actions: list[Any], written: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return the content of `<stamp>_translate.json`; `written` is what the model said before it was corrected."""
    corrected = said(actions)
    return {
        "task_prompt": "打开菜单", "task_prompt_en": "Open the menu", "task_prompt_zh": "打开菜单",
        "send_prompt": "您对 Windows 操作系统非常熟悉。\n现在的子任务是 \"点击“菜单”\"。\n",
        "send_prompt_zh": "您对 Windows 操作系统非常熟悉。\n现在的子任务是 \"点击“菜单”\"。\n",
        "send_prompt_en": "You know Windows.\nThe current subtask is \"Click the menu\".\n",
        "LLM_response": corrected if written is None else written, "LLM_response_editer": corrected,
        "LLM_response_editer_zh": corrected, "LLM_response_editer_en": said(actions, "I click, in English."),
        "video_width": 1024, "video_height": 768, "saved_image_name": f"{stamp}.jpg", "session_id": "session1",
        "actions": actions, **changes,
    }  # fmt: skip


def screenagent(root: Path, *replies: dict[str, Any], session: str = "session1") -> Path:
    """Write a session with its pictures and a stray of a file manager."""
    for reply in replies:
        stamp = reply["saved_image_name"].removesuffix(".jpg")
        dump(root / session / f"{stamp}_translate.json", reply)
        picture(root / session / "images" / f"{stamp}.jpg", len(stamp), 1024, 768)
    (root / session / "images" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return root


# --- DroidBot


def view(box: tuple[int, int, int, int], **changes: Any) -> dict[str, Any]:
    """Return a view of a state or an event."""
    return {"class": "android.widget.TextView", "text": "Open", "bounds": [[box[0], box[1]], [box[2], box[3]]],
            "visible": True, "clickable": True, "enabled": True, "checkable": False, "checked": False, "temp_id": 0,
            "parent": -1, **changes}  # fmt: skip


def droidbot_event(tag: str, event: dict[str, Any], start: str = "a", stop: str = "b") -> dict[str, Any]:
    """Return the content of `event_<tag>.json`."""
    return {"tag": tag, "event": event, "start_state": start, "stop_state": stop, "event_str": "…"}


def droidbot(root: Path, *events: dict[str, Any], states: Sequence[str] = ("a", "b")) -> Path:
    """Write a run and its states, each stored once."""
    for number, event in enumerate(events):
        dump(root / "run" / "events" / f"event_{event['tag']}.json", {**event, "tag": event.get("tag", str(number))})
    for number, name in enumerate(states):
        tag = f"2021-01-01_00000{number}"
        dump(root / "run" / "states" / f"state_{tag}.json", {
            "tag": tag, "state_str": name, "width": build.WIDTH, "height": build.HEIGHT,
            "foreground_activity": "com.app/.Main",
            "views": [
                view((0, 0, 360, 800), temp_id=0, clickable=False, text=None, parent=-1),
                view((0, 0, 360, 80), temp_id=1, parent=0, visible=False),
                view((90, 360, 180, 440), temp_id=2, parent=1, content_description="x"),
                view((0, 900, 10, 950), temp_id=3, parent=0),
            ],
        })  # fmt: skip
        picture(root / "run" / "states" / f"screen_{tag}.jpg", number)
    return root
