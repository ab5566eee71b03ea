"""What the agent thinks when it errs and when it notices: observe, diagnose, act; in the goal's language.

Each cell has several wordings, chosen by seed; each names the evidence on the screen and the target, none a coordinate.
"""

from pipeline import seeds
from pipeline.describe import quoted
from pipeline.records import Lang

CELLS: dict[str, dict[Lang, tuple[str, ...]]] = {
    "tap_dead_wrong": {
        "en": (
            "I see {wrong} on this screen, and it seems to lead where I need to go. I'll tap it.",
            "{wrong} looks like the entry that I am after, so I tap it.",
            "The next step should be behind {wrong}. I'll open it.",
            "This page shows {wrong}. Tapping that should bring me further.",
            "I think {wrong} is the control for this, so I'll tap it now.",
            "{wrong} stands out here and fits the task. Let me tap it.",
            "To get on with the task I'll try {wrong}, which is shown on this page.",
            "Going by its wording, {wrong} is what I want. I tap on it.",
        ),
        "zh": (
            "屏幕上有{wrong}，看起来能进入我要去的地方，点击它。",
            "{wrong}像是我要找的入口，先点它。",
            "下一步应该在{wrong}里面，点开看看。",
            "这个页面显示了{wrong}，点击它应该可以继续。",
            "我认为{wrong}就是需要的控件，现在点击它。",
            "{wrong}很显眼，也和任务相关，点一下。",
            "为了继续完成任务，试着点击页面上的{wrong}。",
            "从文字上看，{wrong}就是我要的，点击它。",
        ),
    },
    "tap_dead_right": {
        "en": (
            "The screen is exactly as it was before I tapped {wrong}, so that is only text and reacts to nothing. "
            "What I need is {target}; I'll tap that.",
            "Nothing happened after my tap on {wrong}: it is no button. The control for this step is {target}, "
            "so I tap it instead.",
            "My tap on {wrong} changed nothing on the page. It is just a label. I'll use {target}.",
            "I still see the same page, so {wrong} cannot be tapped. {target} is the right place; I tap it now.",
            "Tapping {wrong} had no effect, repeating it would not help. {target} is what takes me on, so I tap that.",
            "The page did not move at all after {wrong} was tapped, which means it is not interactive. "
            "I'll go for {target}.",
            "There is no change since the last tap: {wrong} only shows information. I'll tap {target} to continue.",
            "That was the wrong spot, as {wrong} does not respond and the screen is unchanged. I'll tap {target}.",
        ),
        "zh": (
            "点击{wrong}之后屏幕和之前完全一样，说明它只是文字，不会响应。真正需要的是{target}，点击它。",
            "刚才点了{wrong}，什么也没有发生，它不是按钮。这一步的控件是{target}，改为点击它。",
            "点击{wrong}没有让页面产生任何变化，它只是一个标签。改用{target}。",
            "看到的还是同一个页面，所以{wrong}不能点击。正确的位置是{target}，现在点击它。",
            "点击{wrong}没有效果，再点也没有用。能继续下去的是{target}，点击它。",
            "点过{wrong}后页面毫无变化，说明它不可交互。接下来点击{target}。",
            "上次点击后没有变化：{wrong}只用来显示信息。点击{target}继续。",
            "刚才点错了地方，{wrong}没有反应，屏幕没有变化。应该点击的是{target}。",
        ),
    },
    "back_wrong": {
        "en": (
            "I think I am done on this page, so I go back.",
            "This does not seem to be the page that I need. I'll press Back.",
            "Let me return to the page before and look there.",
            "What I am looking for may be on the previous page. Going back.",
            "I'll leave this page and return to the one I came from.",
            "Nothing here seems to be left to do, so I press Back.",
            "I would rather continue from the page before. I press Back.",
            "I'll step back once to find the right way on.",
        ),
        "zh": (
            "这个页面应该已经处理完了，返回。",
            "这里好像不是我需要的页面，按返回键。",
            "先回到上一页再找找看。",
            "要找的内容可能在上一页，返回。",
            "离开这个页面，回到来的地方。",
            "这里似乎没有要做的事了，按返回键。",
            "还是从上一页继续比较好，按返回键。",
            "先退一步，再找正确的路。",
        ),
    },
    "back_right": {
        "en": (
            "Back has taken me to the page before, but I was already where I had to be. I tap {target} to return.",
            "I see the earlier page again: going back was a mistake. {target} leads to where I was, so I tap it.",
            "I left the right page too early. It opens through {target}, which I tap again.",
            "This is one page too far back. The task goes on behind {target}; I open it again.",
            "Pressing Back undid my last step. To get there again I tap {target}.",
            "The previous page is showing now, and that does not help. I need {target} once more.",
            "I should not have gone back, as the work was on the page that I left. I'll tap {target} to reopen it.",
            "Now I am back on the earlier page, which was the wrong move. I go in through {target} again.",
        ),
        "zh": (
            "返回后到了上一页，但刚才的页面才是需要的。点击{target}重新进入。",
            "又看到了之前的页面，返回是个错误。{target}可以回到刚才的地方，点击它。",
            "我离开正确的页面太早了，它要通过{target}打开，再点一次。",
            "多退了一页，任务要在{target}里继续，重新打开它。",
            "按返回键撤销了上一步，为了回去，点击{target}。",
            "现在显示的是上一页，这没有帮助，需要再次进入{target}。",
            "不应该返回，要做的事在刚才离开的页面上，点击{target}重新打开。",
            "现在回到了之前的页面，这一步走错了，再从{target}进去。",
        ),
    },
    "labelled_diagnosis": {
        "en": (
            "The last action ({slip}) did not bring what the task needs, so it was a mistake.",
            "What I see now shows that the last action ({slip}) was wrong.",
            "My last action ({slip}) went wrong: this is not what I wanted.",
            "After the last action ({slip}) the screen is not the one that I need.",
            "That last action ({slip}) was not the right one, as this screen shows.",
            "I can see that the last action ({slip}) led me off the path.",
            "The screen tells me that the last action ({slip}) was a slip.",
            "This is not where I should be: the last action ({slip}) was wrong.",
        ),
        "zh": (
            "上一步（{slip}）没有得到任务需要的结果，是个错误。",
            "从现在的屏幕看，上一步（{slip}）做错了。",
            "上一步（{slip}）出了错，这不是想要的。",
            "上一步（{slip}）之后，屏幕并不是需要的那个。",
            "现在的屏幕说明上一步（{slip}）不对。",
            "可以看出上一步（{slip}）偏离了方向。",
            "屏幕显示上一步（{slip}）是误操作。",
            "这里不是该到的地方，上一步（{slip}）错了。",
        ),
    },
}


def say(cell: str, lang: Lang, *draw: object, **names: str) -> str:
    """Return one wording of the cell with the names on the screen quoted in it."""
    wording = seeds.pick(CELLS[cell][lang], *draw, cell)
    return wording.format(**{key: name if key == "slip" else quoted(name, lang) for key, name in names.items()})
