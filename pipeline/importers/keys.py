"""Names of keyboard keys: one spelling, whatever the source's (X11, Android, pyautogui, "Ctrl+V")."""

_NAMES = {
    "control": "ctrl", "control_l": "ctrl", "control_r": "ctrl", "ctrl_l": "ctrl", "ctrl_r": "ctrl",
    "alt_l": "alt", "alt_r": "alt", "shift_l": "shift",
    "shift_r": "shift", "super_l": "meta", "super_r": "meta", "super": "meta", "win": "meta", "windows": "meta",
    "meta_l": "meta", "command": "meta", "cmd": "meta", "return": "enter", "kp_enter": "enter", "escape": "esc",
    "del": "delete", "page_up": "pageup", "page_down": "pagedown", "prior": "pageup", "next": "pagedown",
    "spacebar": "space", "pgup": "pageup", "pgdn": "pagedown", "ctrlleft": "ctrl", "ctrlright": "ctrl",
    "altleft": "alt", "altright": "alt", "shiftleft": "shift", "shiftright": "shift", "winleft": "meta",
    "winright": "meta", "optionleft": "alt", "optionright": "alt", "option": "alt",
}  # fmt: skip


def key_name(name: str) -> str:
    """Return our name of a key.

    >>> key_name("Control_L"), key_name("Return"), key_name("v")
    ('ctrl', 'enter', 'v')
    """
    plain = name.strip() or "space"
    return plain if len(plain) == 1 else _NAMES.get(plain.lower(), plain.lower())


def chord(text: str) -> tuple[str, ...]:
    """Return the keys of a combination that is written with plus signs.

    >>> chord("Ctrl+V")
    ('ctrl', 'V')
    """
    if len(text) == 1 or "+" not in text:
        return (key_name(text),)
    return tuple(key_name(part) for part in text.split("+") if part)
