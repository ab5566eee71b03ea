"""What a thought must be like before it stands in a sample, whoever wrote it."""

import re
from collections.abc import Sequence

from pipeline.actions import Action, Button, Click, LongPress, Scroll, Swipe, Type, Wait
from pipeline.records import Lang

LENGTH: dict[Lang, tuple[int, int]] = {"en": (20, 400), "zh": (8, 160)}
"""Characters of a thought, names left out."""

_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u0370-\u04ff]")
_COORDINATES = re.compile(
    r"[(\[（【]\s*\d+(?:\.\d+)?\s*[,，、;]\s*\d+"
    r"|\b[xy]\s*[=:：]\s*\d"
    r"|\d\s*(?:px\b|pixels?\b|像素)"
    r"|\bcoordinates?\b|坐标",
    re.IGNORECASE,
)
_GIVE_AWAY = re.compile(
    r"synthe|inject|ground[ -]?truth|annotat|\blabel(?:l)?ed\b|training data|data ?set|red (?:circle|box|marker)"
    r"|\b(?:deliberate|intentional)|\bsimulat|\bas instructed\b|\bthe (?:prompt|task description) says\b|language model"
    r"|标注|注入|合成数据|训练数据|数据集|红圈|红框|红色圆圈|故意|模拟出|语言模型",
    re.IGNORECASE,
)

_FAILED: dict[type[Action], re.Pattern[str]] = {
    Click: re.compile(r"tap|click|press|touch|hit|select|chos|choice|点|按|选", re.IGNORECASE),
    LongPress: re.compile(r"long|hold|held|press|长按|按住", re.IGNORECASE),
    Type: re.compile(r"typ|enter|text|input|wrote|writ|输入|键入|填|文字", re.IGNORECASE),
    Scroll: re.compile(r"scroll|swip|mov|滚|滑|翻", re.IGNORECASE),
    Swipe: re.compile(r"scroll|swip|mov|滚|滑|翻", re.IGNORECASE),
    Wait: re.compile(r"wait|等", re.IGNORECASE),
    Button: re.compile(r"back|home|return|button|press|previous|left|返回|回到|退|主屏|上一页", re.IGNORECASE),
}
"""How a thought speaks of the action that failed, where that has no name on the screen."""
_ANY = re.compile(
    r"\b(?:last|previous|earlier|mistake\w*|wrong\w*|fail\w*|attempt\w*|tried|again|still|same|unchanged|inactive|"
    r"disabled|did not|didn't|does not|doesn't|no (?:effect|change|reaction|response)|nothing)\b"
    r"|刚才|上一|错|误|没有|失败|再次|两次|无效|仍|不能|不行|不通",
    re.IGNORECASE,
)


def objection(text: str, lang: Lang, *, named: Sequence[str] = (), failed: Action | None = None) -> str | None:
    """Return the rule that the thought breaks, or None.

    `named` are names on the screen that it must say; `failed` is the action that a corrective thought looks back on.
    """
    bare = text
    for name in named:
        if _squeezed(name) not in _squeezed(text):
            return "target_missing"
        bare = re.sub(r"\s+".join(map(re.escape, name.split())), "", bare, flags=re.IGNORECASE)
    low, high = LENGTH[lang]
    if not low <= len(bare.strip()) <= high:
        return "length"
    if _COORDINATES.search(bare):
        return "coordinates"
    if _GIVE_AWAY.search(bare):
        return "give_away"
    quoted = re.sub(r"“[^”]*”|\"[^\"]*\"|「[^」]*」|《[^》]*》", "", bare)  # names on the screen may be in any language
    wide, latin = len(_CJK.findall(quoted)), len(_LATIN.findall(quoted))
    if (lang == "zh" and wide < max(latin, 4)) or (lang == "en" and (wide or latin < len(quoted) / 2)):
        return "language"
    if failed is not None and not any(p.search(bare) for p in (_FAILED.get(type(failed), _ANY), _ANY)):
        return "failure_missing"
    return None


def _squeezed(text: str) -> str:
    return "".join(text.casefold().split())
