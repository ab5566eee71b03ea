"""The same apps in a desktop window."""

from .script import Script, done, scroll_down, tap, typing

NEW_FOLDER = Script(
    id="drive-en-desktop-new-folder",
    app="drive",
    lang="en",
    goal='Create a new folder called "Receipts 2026".',
    desktop=True,
    moves=(
        tap(
            "New",
            "Click the blue plus button",
            "The drive is open in a wide window, with the navigation on the left and four folders in one row. New "
            "things are made with the blue plus button at the bottom right.",
        ),
        tap(
            "New folder",
            'Click "New folder"',
            'The box "New" offers two entries, "New folder" and "New text file". I need a folder, so I take the '
            "first one.",
        ),
        tap(
            "Folder name",
            'Click the field "Folder name"',
            'The dialog "New folder" has an empty field, and Create is greyed out as long as it is empty. I click '
            "into the field first.",
        ),
        typing(
            "Receipts 2026",
            'Type "Receipts 2026"',
            'The field "Folder name" is framed in blue and ready for input. I type the name exactly as the goal '
            "spells it.",
        ),
        tap(
            "Create",
            'Click "Create"',
            'The name "Receipts 2026" is in the field and Create has become active. I click it.',
        ),
        done(
            "Finish the task",
            'A fifth card, "Receipts 2026", stands below the other folders and the message confirms that it was '
            "created. The task is complete.",
        ),
    ),
    check="App.state.folders.length === 5 && App.state.folders[4].name === 'Receipts 2026'",
    reason='There is a new folder named "Receipts 2026".',
)

NEW_NOTE = Script(
    id="notes-en-desktop-onboarding",
    app="notes",
    lang="en",
    goal='In the note "Onboarding", mark the key card as done and pin the note.',
    desktop=True,
    moves=(
        scroll_down(
            150,
            "Scroll down to the last notes",
            'The window shows the pinned notes and two rows of the others, from "Birthday of Lena" to "Spare key". '
            'Under them only the edge of one more card is in view. "Onboarding" must be below, so I scroll down.',
        ),
        tap(
            "Onboarding",
            'Click "Onboarding"',
            'The last card is "Onboarding" with the label Work and 1 of 3 done. This is the note of the goal, so I '
            "open it.",
            role="button",
        ),
        tap(
            "Key card",
            'Click "Key card"',
            "The note has three items: Laptop is ticked, Key card and Team lunch are open. A click on the words Key "
            "card ticks its box.",
            role="label",
        ),
        tap(
            "Pin note",
            "Click the pin icon",
            "Key card is struck through now. What is left is pinning: the pin icon at the top right is only an "
            "outline, so the note is not pinned yet.",
        ),
        tap(
            "Back",
            "Click the back arrow",
            "The pin is filled and the key card is ticked. I return to the overview with the arrow at the top left "
            "to see whether the note has moved up.",
        ),
        done(
            "Finish the task",
            '"Onboarding" has moved up beside "Groceries" and "Sprint review", above "Others", and says 2 of 3 done. '
            "Both parts of the goal are fulfilled.",
        ),
    ),
    check="noteOf('onboarding').pinned && noteOf('onboarding').items.map((i) => Number(i.done)).join('') === '110'",
    reason="The key card is ticked off, the lunch is still open, and the note is pinned.",
)

SCRIPTS = (NEW_FOLDER, NEW_NOTE)
