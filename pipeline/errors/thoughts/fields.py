"""Text typed while no field has the focus."""

from pipeline.records import Lang

CELLS: dict[str, dict[Lang, tuple[str, ...]]] = {
    "type_unfocused_wrong": {
        "en": (
            "I have to enter {text}, so I type it.",
            "The page is ready for input. I type {text}.",
            "Now {text} has to be entered. I'll type it.",
            "Next comes the text {text}; I type it right away.",
            "I'll enter {text} here.",
            "What the task asks for is {text}. Typing it now.",
            "There is a place for text on this screen, so I type {text}.",
            "I can go on by typing {text}.",
        ),
        "zh": (
            "需要输入{text}，现在输入。",
            "页面可以输入内容了，输入{text}。",
            "接下来要填写{text}，直接输入。",
            "下一步是输入文字{text}。",
            "在这里输入{text}。",
            "任务要求的内容是{text}，现在输入。",
            "屏幕上有可以填写的地方，输入{text}。",
            "输入{text}就可以继续。",
        ),
    },
    "type_unfocused_right": {
        "en": (
            "{text} does not appear anywhere: no field had the focus when I typed. I'll tap {target} first.",
            "The screen is unchanged after typing {text}, because the input field is not active. I tap {target}.",
            "My text {text} went nowhere, as there is no cursor on the page. First I have to tap {target}.",
            "Typing {text} had no effect; the field was never selected. I'll tap {target} to put the cursor there.",
            "I do not see {text} on the screen. {target} needs the focus before I can type, so I tap it.",
            "Nothing was entered: I typed {text} before choosing the field. I tap {target} now.",
            "The page still looks the same, so {text} was lost. I should tap {target} and then type.",
            "{text} was typed into nothing, since no field was selected. {target} is the field; I tap it first.",
        ),
        "zh": (
            "{text}没有出现在任何地方，输入时没有输入框获得焦点。先点击{target}。",
            "输入{text}之后屏幕没有变化，因为输入框没有激活。点击{target}。",
            "输入的{text}没有效果，页面上没有光标。要先点击{target}。",
            "输入{text}没有起作用，还没有选中输入框。点击{target}，让光标进去。",
            "屏幕上看不到{text}。{target}获得焦点之后才能输入，点击它。",
            "什么也没有输入进去：没选输入框就输入了{text}。现在点击{target}。",
            "页面还是原来的样子，{text}没有输进去。应该先点{target}再输入。",
            "没有选中输入框，{text}输到了空处。输入框是{target}，先点击它。",
        ),
    },
    "type_unfocused_right_plain": {
        "en": (
            "{text} does not appear anywhere: no field had the focus when I typed. I'll tap the field first.",
            "The screen is unchanged after typing {text}, because the input field is not active. I tap it.",
            "My text {text} went nowhere, as there is no cursor on the page. First I have to tap the field.",
            "Typing {text} had no effect; the field was never selected. I'll put the cursor there.",
            "I do not see {text} on the screen. The field needs the focus before I can type, so I tap it.",
            "Nothing was entered: I typed {text} before choosing the field. I tap the field now.",
            "The page still looks the same, so {text} was lost. I should tap the field and then type.",
            "{text} was typed into nothing, since no field was selected. I tap the field first.",
        ),
        "zh": (
            "{text}没有出现在任何地方，输入时没有输入框获得焦点。先点击输入框。",
            "输入{text}之后屏幕没有变化，因为输入框没有激活。点击输入框。",
            "输入的{text}没有效果，页面上没有光标。要先点击输入框。",
            "输入{text}没有起作用，还没有选中输入框。先让光标进去。",
            "屏幕上看不到{text}。输入框获得焦点之后才能输入，点击它。",
            "什么也没有输入进去：没选输入框就输入了{text}。现在点击输入框。",
            "页面还是原来的样子，{text}没有输进去。应该先点输入框再输入。",
            "没有选中输入框，{text}输到了空处。先点击输入框。",
        ),
    },
}
