"""The cloud drive in English, without mistakes, on the phone."""

from .script import Script, answer, back, done, enter, scroll_down, tap, typing

RENAME = Script(
    id="drive-en-rename-contract",
    app="drive",
    lang="en",
    goal='In the Documents folder, rename "Draft contract.docx" to "Signed contract".',
    moves=(
        tap(
            "Documents",
            'Tap "Documents"',
            "The home page of the drive shows four folder cards and a list of recent files. The goal names the "
            'Documents folder, and its card is the first one under "Folders". I open it to find the contract.',
            role="button",
        ),
        tap(
            "More options for Draft contract.docx",
            'Tap the three dots next to "Draft contract.docx"',
            'The folder holds eight files, and "Draft contract.docx" is at the top of the list. Tapping the row would '
            "only open the file, so I use the three dots at its right end, where renaming should be offered.",
        ),
        tap(
            "Rename",
            'Tap "Rename"',
            'A sheet for "Draft contract.docx" came up with Share, Rename, Add star and Move to trash. Rename is '
            "exactly what the goal asks for.",
        ),
        tap(
            "New name",
            'Tap the field "New name"',
            'The dialog "Rename file" shows the current name and an empty field "New name"; its Rename button is '
            "still grey. The field does not have the focus yet, so I tap it before I type.",
        ),
        typing(
            "Signed contract",
            'Type "Signed contract"',
            "The field has the blue border of a focused input now. The note below says that the ending .docx stays, "
            "so I type only the new name without it.",
        ),
        tap(
            "Rename",
            'Tap "Rename"',
            'The field reads "Signed contract" and the Rename button has turned blue. I confirm the new name with it.',
        ),
        done(
            "Finish the task",
            'The list now begins with "Signed contract.docx", and a message at the bottom says that the file was '
            "renamed. Nothing else was asked for, so I am done.",
        ),
    ),
    check="fileOf('documents-0').name === 'Signed contract.docx'",
    reason='The file is named "Signed contract.docx" at the end.',
)

SHARE = Script(
    id="drive-en-share-sunset",
    app="drive",
    lang="en",
    goal='Share the picture "Lisbon sunset.jpg" from Photos with Anna Lind.',
    moves=(
        tap(
            "Photos",
            'Tap "Photos"',
            'I see the folder cards Documents, Photos, Work and Recipes. "Lisbon sunset.jpg" is in Photos according '
            "to the goal, so I open that folder.",
            role="button",
        ),
        tap(
            "Lisbon sunset.jpg",
            'Tap "Lisbon sunset.jpg"',
            'Photos lists 13 pictures by date. "Lisbon sunset.jpg" is the second row; I open it to check that it is '
            "the right picture and to reach its share button.",
            role="listitem",
        ),
        tap(
            "Share",
            "Tap the share icon",
            "The picture is open, with its preview and details; the location says Photos. The bar at the top has a "
            "star, a share icon and three dots, and the share icon is the shortest way to the contacts.",
        ),
        tap(
            "Anna Lind",
            'Tap "Anna Lind"',
            "The share sheet lists my contacts, nobody is selected yet and Send is greyed out. Anna Lind is the "
            "first name, so I tick her.",
            role="checkbox",
        ),
        tap(
            "Send",
            'Tap "Send"',
            'Anna Lind has a tick and "Send" is active now. The goal says nothing about editing, so "Allow editing" '
            "stays off and I send.",
        ),
        done(
            "Finish the task",
            'The sheet is closed, the details show "Anna Lind" next to Shared, and the message confirms it. The '
            "picture is shared as asked.",
        ),
    ),
    check="fileOf('photos-1').sharedWith.join() === 'Anna Lind'",
    reason='"Lisbon sunset.jpg" is shared with Anna Lind and with nobody else.',
)

COMPARE = Script(
    id="drive-en-compare-folders",
    app="drive",
    lang="en",
    goal="Which of my folders takes up more space, Photos or Documents, and how much does it take?",
    moves=(
        tap(
            "Photos",
            'Tap "Photos"',
            "The home page only gives the storage of the whole drive, 6.4 GB of 15 GB, and no size per folder. The "
            "size must be inside the folders, so I look into Photos first.",
            role="button",
        ),
        back(
            "Go back to the home page",
            'The top of Photos says "13 files · 49.9 MB", which is the number I need. To compare it I have to see '
            "Documents as well, so I go back to the folder cards.",
        ),
        tap(
            "Documents",
            'Tap "Documents"',
            "I am on the home page again and remember 49.9 MB for Photos. Documents is the other folder of the "
            "question, so I open it now.",
            role="button",
        ),
        back(
            "Go back to the home page",
            'Documents holds "8 files · 7.6 MB", much less than the 49.9 MB of Photos. I have both numbers and '
            "leave the folder as I found it.",
        ),
        answer(
            "Photos takes up more space: 49.9 MB, while Documents takes 7.6 MB.",
            "Answer that Photos is larger, with 49.9 MB",
            "Back on the home page, both sizes are known: Photos 49.9 MB, Documents 7.6 MB. The user asked a "
            "question, so I tell the result instead of changing anything.",
        ),
        done(
            "Finish the task",
            "The answer is given and the drive still shows its home page, unchanged. There is nothing left to do.",
        ),
    ),
    check="['photos', 'documents'].map((d) => megabytes(alive().filter((f) => f.folder === d)"
    ".reduce((sum, f) => sum + f.size, 0))).join() === '49.9 MB,7.6 MB'",
    reason="The answer names the larger folder and its size.",
)

SETTINGS = Script(
    id="drive-en-weekly-summary",
    app="drive",
    lang="en",
    goal="Make the drive upload over Wi-Fi only and stop sending me the weekly summary.",
    moves=(
        tap(
            "Settings",
            'Tap "Settings"',
            "Both wishes are about how the app behaves, not about a file. The bar at the bottom of the home page has "
            'a "Settings" tab, which is where such switches belong.',
        ),
        tap(
            "Upload over Wi-Fi only",
            'Tap "Upload over Wi-Fi only"',
            'Under "Uploads" there is "Upload over Wi-Fi only", and its switch is off. The title belongs to the '
            "switch, so a tap on it turns it on.",
            role="label",
        ),
        tap(
            "Notifications",
            'Tap "Notifications"',
            "The Wi-Fi switch is blue now, so the first part is finished. The weekly summary must be one of the "
            'messages behind "Notifications" further down, so I open that entry.',
            role="link",
        ),
        tap(
            "Weekly summary",
            'Turn off "Weekly summary"',
            'The page "Notifications" lists five switches, and "Weekly summary" is on. I turn off just this one and '
            "leave the others alone.",
            role="switch",
        ),
        back(
            "Go back to the settings",
            '"Weekly summary" is off, while New shares, Comments and Storage almost full are still on. I go back to '
            "the settings to make sure that the first switch has kept its value.",
        ),
        done(
            "Finish the task",
            'In the settings, "Upload over Wi-Fi only" is still on, and the weekly summary was switched off one page '
            "deeper. Both wishes are fulfilled.",
        ),
    ),
    check="App.state.settings.wifi && Object.values(App.state.notify).join() === 'true,true,false,true,false'",
    reason="Wi-Fi only is on, the weekly summary is off, the other notifications are as before.",
)

TRASH = Script(
    id="drive-en-trash-invoice",
    app="drive",
    lang="en",
    goal="Find the invoice of March and move it to the trash.",
    moves=(
        tap(
            "Search in Drive",
            'Tap "Search in Drive"',
            "The invoice of March is not among the recent files that I can see, and the goal does not say which "
            "folder it is in. Searching is quicker than opening every folder.",
        ),
        typing(
            "invoice",
            'Type "invoice"',
            "The search page is open and its field is focused; two recent searches stand below, neither of them "
            'useful. "invoice" should find all invoices regardless of the month.',
        ),
        enter(
            "Press Enter",
            'The field reads "invoice", but the page still shows the hint "Type a word and press Enter." So I '
            "press Enter to start the search.",
        ),
        tap(
            "More options for Invoice March.pdf",
            'Tap the three dots next to "Invoice March.pdf"',
            'Two results: "Invoice April.pdf" and "Invoice March.pdf", both in Documents. Only the one of March is '
            "to go, so I open the menu of the second row.",
        ),
        tap(
            "Move to trash",
            'Tap "Move to trash"',
            'The sheet is titled "Invoice March.pdf", so I have the right file. Its last entry is "Move to trash".',
        ),
        tap(
            "Move to trash",
            'Confirm with "Move to trash"',
            'The app asks "Move to trash?" for Invoice March.pdf and says that it can be restored for 30 days. This '
            "is what the user wants, so I confirm.",
        ),
        done(
            "Finish the task",
            'Only "Invoice April.pdf" is left in the results, and the message reads "Moved to trash". The task is '
            "complete.",
        ),
    ),
    check="App.state.files.filter((f) => f.trashed).map((f) => f.name).join() === 'Invoice March.pdf'",
    reason='"Invoice March.pdf", and nothing else, is in the trash.',
)

SNOW_TRAIL = Script(
    id="drive-en-star-snow-trail",
    app="drive",
    lang="en",
    goal='Put a star on "Snow trail.jpg" in the Photos folder.',
    moves=(
        tap(
            "Photos",
            'Tap "Photos"',
            'The file to be starred is in Photos, and the card "Photos" is next to Documents on the home page. I '
            "open the folder.",
            role="button",
        ),
        scroll_down(
            900,
            "Scroll down in the list",
            'The visible part of Photos goes from "Harbour morning.jpg" to "Lake cabin.jpg"; there is no snow '
            "picture yet. The list is sorted by date and has 13 files, so I scroll down to the older ones.",
        ),
        tap(
            "Snow trail.jpg",
            'Tap "Snow trail.jpg"',
            'Now the end of the list is in view: "Snow trail.jpg" of Jan 19 and below it "First snow.jpg". I open '
            '"Snow trail.jpg", taking care not to hit the other snow picture.',
            role="listitem",
        ),
        tap(
            "Add star",
            "Tap the star icon",
            "The title and the preview show that the right picture is open. The star in the bar at the top is only "
            "an outline, so the file has no star yet and a tap adds it.",
        ),
        done(
            "Finish the task",
            'The star in the bar is filled and the message says "Star added". That was the whole task.',
        ),
    ),
    check="alive().filter((f) => f.starred && f.folder === 'photos').map((f) => f.name).join() === 'Snow trail.jpg'",
    reason='"Snow trail.jpg" carries a star, no other picture does.',
)

SCRIPTS = (RENAME, SHARE, COMPARE, SETTINGS, TRASH, SNOW_TRAIL)
