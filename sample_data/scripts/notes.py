"""The notes app on the phone, without mistakes."""

from .script import Script, answer, back, done, tap

CHECKLIST = Script(
    id="notes-en-tick-groceries",
    app="notes",
    lang="en",
    goal='I have bought milk and eggs. Tick them off in the note "Groceries" and return to the overview.',
    moves=(
        tap(
            "Groceries",
            'Tap "Groceries"',
            'The overview shows "Groceries" as the first pinned card, with 1 of 5 done. I open it to reach its items.',
            role="button",
        ),
        tap(
            "Milk",
            'Tap "Milk"',
            "The list has Bread ticked and struck through; Milk, Eggs, Tomatoes and Coffee are open. I tap the word "
            "Milk, which ticks the box before it.",
            role="label",
        ),
        tap(
            "Eggs",
            'Tick the box of "Eggs"',
            "Milk is struck through now. Eggs comes right below and its box is still empty, so I tick that box.",
            role="checkbox",
        ),
        back(
            "Go back to the overview",
            "Bread, Milk and Eggs are ticked, Tomatoes and Coffee are still open, just as they should be. The user "
            "wants to end up in the overview, so I go back.",
        ),
        done(
            "Finish the task",
            'The overview is on the screen and the card "Groceries" says 3 of 5 done. Everything that was asked for '
            "is finished.",
        ),
    ),
    check="noteOf('groceries').items.map((i) => Number(i.done)).join('') === '11100' && App.view.path === '/'",
    reason="Milk and eggs are ticked off beside the bread, and the overview is shown.",
)

ASK = Script(
    id="notes-zh-ask-time-place",
    app="notes",
    lang="zh",
    goal="周会在哪个会议室开？妈妈生日那天几点吃饭？",
    moves=(
        tap(
            "周会准备",
            "点击“周会准备”",
            "首页的便签卡片只显示开头几行，“周会准备”里看不到会议室。打开它看全文。",
            role="button",
        ),
        back(
            "返回便签首页",
            "正文写着地点在二楼四号会议室，第一个问题有答案了。第二个问题要看另一条便签，所以返回首页。",
        ),
        tap(
            "妈妈生日",
            "点击“妈妈生日”",
            "回到了首页。“其他”里有一张“妈妈生日”的卡片，但内容写到“晚上六”就被截断了，打开它看完整的时间。",
            role="button",
        ),
        back(
            "返回便签首页",
            "这条便签写着晚上六点在湖边餐厅吃饭。两个答案都有了，返回首页，不改动便签。",
        ),
        answer(
            "周会在二楼四号会议室；妈妈生日那天晚上六点吃饭。",
            "回答会议室和吃饭时间",
            "会议室是二楼四号，吃饭时间是晚上六点，两条都是刚才在便签里看到的。现在把结果告诉用户。",
        ),
        done(
            "结束任务",
            "两个问题都已回答，便签首页和开始时一样。任务完成。",
        ),
    ),
    check="noteOf('sprint').body.includes('二楼四号会议室') && noteOf('birthday').body.includes('晚上六点')",
    reason="回答与两条便签的内容一致。",
)

SETTINGS = Script(
    id="notes-zh-compact-cards",
    app="notes",
    lang="zh",
    goal="让便签首页的卡片只显示标题，不再显示便签数量。",
    moves=(
        tap(
            "设置",
            "点击右上角的齿轮图标",
            "现在的卡片既有标题也有正文，要改变显示方式得去设置。右上角放大镜旁边的齿轮就是“设置”。",
        ),
        tap(
            "紧凑卡片",
            "打开“紧凑卡片”的开关",
            "“便签列表”下面有“紧凑卡片”，说明是“只显示标题”，正是用户想要的效果。它的开关还是关的，点一下打开。",
            role="switch",
        ),
        tap(
            "显示便签数量",
            "点击“显示便签数量”",
            "“紧凑卡片”已经打开。下面的“显示便签数量”还开着，点这几个字就能把对应的开关关掉。",
            role="label",
        ),
        tap(
            "返回",
            "点击左上角的返回箭头",
            "两个开关都已调好：“紧凑卡片”开，“显示便签数量”关。点左上角的返回箭头，到首页确认效果。",
        ),
        done(
            "结束任务",
            "首页的卡片现在只有标题、标签和日期，正文摘要没有了，设置已经生效。任务完成。",
        ),
    ),
    check="App.state.settings.compact && !App.state.settings.count && App.view.path === '/'",
    reason="紧凑卡片打开，便签数量关闭，并已回到首页。",
)

SCRIPTS = (CHECKLIST, ASK, SETTINGS)
