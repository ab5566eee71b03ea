"""English trajectories with a real mistake and its correction, and the one that fails."""

from .script import Script, back, done, mistake, repair, scroll_down, tap

SUPPLIERS = Script(
    id="drive-en-star-supplier-list",
    app="drive",
    lang="en",
    goal='Add a star to the spreadsheet "Supplier list.xlsx".',
    moves=(
        mistake(
            "wrong_element",
            tap(
                "Documents",
                'Tap "Documents"',
                "The recent files on the home page do not show a supplier list. A spreadsheet is a kind of document, "
                "so I expect it in the Documents folder and open that one.",
                role="button",
            ),
        ),
        repair(
            back(
                "Go back to the home page",
                "Documents holds eight files, all of them texts and PDFs: contract, invoices, lease, passport. There "
                "is no spreadsheet here, so the folder was a wrong guess. I go back to choose another one.",
            )
        ),
        tap(
            "Work",
            'Tap "Work"',
            "The four folder cards are in front of me again and Documents is ruled out. Suppliers are a matter of "
            "the job, so Work is the likely place.",
            role="button",
        ),
        tap(
            "More options for Supplier list.xlsx",
            'Tap the three dots next to "Supplier list.xlsx"',
            'Here it is: "Supplier list.xlsx" is the fifth of six files in Work. It has no star beside it. The '
            "three dots of its row should offer one.",
        ),
        tap(
            "Add star",
            'Tap "Add star"',
            'The sheet shows "Supplier list.xlsx", a spreadsheet, at its head, and the third entry is "Add star". '
            "That is the action I need.",
        ),
        done(
            "Finish the task",
            'A small star has appeared in the row of "Supplier list.xlsx" and the message says "Star added". I am '
            "finished.",
        ),
    ),
    check="fileOf('work-4').name === 'Supplier list.xlsx' && fileOf('work-4').starred",
    reason='"Supplier list.xlsx" carries a star.',
)

OLD_LIST = Script(
    id="notes-en-delete-old-list",
    app="notes",
    lang="en",
    goal="Delete the shopping list of February; it is no longer needed.",
    moves=(
        mistake(
            "wrong_element",
            tap(
                "Groceries",
                'Tap "Groceries"',
                'The notes are shown as cards, and the first pinned one is "Groceries". Groceries are what a shopping '
                "list is made of, so I open it to delete it.",
                role="button",
            ),
        ),
        repair(
            back(
                "Go back to the notes",
                'This note was edited on Mar 12 and says "For the weekend."; four of its items are still open. It is '
                "the current list and not the one of February, so deleting it would be a mistake. I go back.",
            )
        ),
        tap(
            "Old shopping list",
            'Tap "Old shopping list"',
            'Back among the cards I look further: under "Others" there is "Old shopping list" with 2 of 2 done. That '
            "fits a list nobody needs any more.",
            role="button",
        ),
        tap(
            "Delete note",
            "Tap the trash icon",
            'The note says "From February, no longer needed.", so this is the one. The trash icon at the top right '
            "deletes it.",
        ),
        tap(
            "Delete",
            'Confirm with "Delete"',
            'The dialog "Delete this note?" names "Old shopping list". The name is right, so I confirm.',
        ),
        done(
            "Finish the task",
            '"Old shopping list" has vanished from the cards, "Groceries" is still there, and the message reads '
            '"Note deleted". The task is done.',
        ),
    ),
    check="App.state.notes.filter((n) => n.trashed).map((n) => n.id).join() === 'old'",
    reason="Only the list of February is in the trash.",
)

MISSING_PERSON = Script(
    id="drive-en-share-missing-person",
    app="drive",
    lang="en",
    goal='Share "Garden plan.pdf" from the Work folder with Priya Nair.',
    success=False,
    moves=(
        tap(
            "Work",
            'Tap "Work"',
            'The goal says that "Garden plan.pdf" is in the Work folder. Its card is in the second row of folders on '
            "the home page, so I open it.",
            role="button",
        ),
        tap(
            "Garden plan.pdf",
            'Tap "Garden plan.pdf"',
            'Work shows six files and "Garden plan.pdf" of Mar 3 is the third. I open it to get to its share icon.',
            role="listitem",
        ),
        tap(
            "Share",
            "Tap the share icon",
            "The file is open: a PDF document of 2.4 MB in Work. The share icon in the bar at the top leads to the "
            "contacts.",
        ),
        scroll_down(
            534,
            "Scroll down in the contacts",
            "The sheet begins with Anna Lind, Ben Ortiz and Clara Novak; the list is sorted by first name and goes "
            "on below Elif Demir. Priya would come near the end, so I scroll down in the list.",
        ),
        done(
            "Give up: Priya Nair is not among the contacts",
            "The last contacts are Greta Sand and Hugo Pereira, and nobody is called Priya Nair. The sheet has no way "
            "to enter an address or to add a contact, so the file cannot be shared with her. I stop here and report "
            "the failure rather than send it to somebody else.",
            success=False,
        ),
    ),
    check="fileOf('work-2').sharedWith.includes('Priya Nair')",
    reason="Priya Nair is not among the contacts, so the file is not shared with her.",
)

SCRIPTS = (SUPPLIERS, OLD_LIST, MISSING_PERSON)
