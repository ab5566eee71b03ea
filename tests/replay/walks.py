"""What is done in the market, step by step; each walk exists in English and in Chinese, and with traps on or off."""

from moves import BACK, DONE, ENTER, Moves, Script, Walk, Words, button, hold, link, row, scroll, slip, tab, tap, typing

from pipeline.records import Lang
from sample_data.scripts.script import repair


def browse(w: Words) -> Moves:
    """Look at goods and come back each time."""
    g = w.goods
    return [row(g[0]), BACK, row(g[1]), link(w.questions), BACK, link(w.aboutSeller), BACK, DONE]


def compare(w: Words) -> Moves:
    """Go deeper from one of the goods."""
    g = w.goods
    return [row(g[1]), BACK, row(g[2]), link(w.aboutSeller), row(g[0]), BACK, DONE]


def order(w: Words) -> Moves:
    """Put something into the basket and choose how to get it."""
    g = w.goods
    return [
        row(g[0]),
        link(w.options),
        tap(w.delivery, "menuitem"),
        button(w.confirm),
        BACK,
        BACK,
        button(w.basket),
        DONE,
    ]


def plain(w: Words) -> Moves:
    """Go straight to one of the goods and to its seller."""
    return [row(w.goods[0]), link(w.aboutSeller), row(w.goods[2]), link(w.questions), DONE]


def looking(w: Words) -> Moves:
    """Search by name."""
    g = w.goods
    return [button(w.search), tap(w.searchGoods, "textbox"), typing(g[1]), ENTER, row(g[1]), link(w.questions), DONE]


def selling(w: Words) -> Moves:
    """Fill in the form."""
    return [button(w.sell), tap(w.name, "textbox"), typing(w.goods[2]), tap(w.priceLabel, "textbox"), typing("3"), DONE]


def accepting(w: Words) -> Moves:
    """Accept the rules, which opens the preview."""
    return [button(w.sell), link(w.rules), tap(w.acceptRules, "checkbox"), button(w.preview), DONE]


def accepting_later(w: Words) -> Moves:
    """Come to the rules from the settings."""
    return [button(w.settings), link(w.about), link(w.rules), tap(w.acceptRules, "checkbox"), button(w.preview), DONE]


def pricing(w: Words) -> Moves:
    """Fill in the price only."""
    return [button(w.sell), tap(w.priceLabel, "textbox"), typing("5"), DONE]


def leafing(w: Words) -> Moves:
    """Go down the list in steps."""
    g = w.goods
    return [row(g[0]), BACK, scroll(120), row(g[4]), BACK, scroll(120), row(g[6]), DONE]


def notices(w: Words) -> Moves:
    """Change a setting."""
    return [button(w.settings), tap(w.hintAsked, "switch"), link(w.about), BACK, DONE]


def about(w: Words) -> Moves:
    """Read about the app and come back."""
    return [button(w.settings), link(w.about), BACK, BACK, row(w.goods[0]), DONE]


def tabs(w: Words) -> Moves:
    """Look at every tab."""
    return [tab(w.offers), tab(w.today), tab(w.news), tab(w.offers), tab(w.letters), tab(w.news), tab(w.today), DONE]


def bargain(w: Words) -> Moves:
    """Find an offer."""
    return [tab(w.offers), row(w.goods[3]), BACK, tab(w.news), link(w.questions), BACK, tab(w.letters), DONE]


def gazette(w: Words) -> Moves:
    """Go to the news and to the letters."""
    return [row(w.goods[0]), BACK, tab(w.news), tab(w.letters), DONE]


def post(w: Words) -> Moves:
    """Go to the letters only."""
    return [row(w.goods[1]), BACK, tab(w.letters), row(w.letters_[0]), DONE]


def holding(w: Words) -> Moves:
    """Press and hold letters."""
    n = w.letters_
    return [tab(w.letters), hold(n[0]), BACK, row(n[0]), BACK, hold(n[1]), BACK, DONE]


def reading(w: Words) -> Moves:
    """Open letters."""
    n = w.letters_
    return [tab(w.letters), row(n[0]), BACK, row(n[1]), BACK, row(n[2]), DONE]


def scrolling(w: Words) -> Moves:
    """Go down the list and up again."""
    g = w.goods
    return [scroll(200), scroll(-200), scroll(200), row(g[6]), BACK, scroll(600), scroll(300), row(g[9]), DONE]


def far(w: Words) -> Moves:
    """Take something from further down."""
    g = w.goods
    return [scroll(200), row(g[6]), BACK, row(g[7]), link(w.questions), DONE]


def deep(w: Words) -> Moves:
    """Go into something from further down the list and on from there."""
    return [scroll(200), row(w.goods[7]), link(w.questions), BACK, BACK, row(w.goods[8]), DONE]


def asked(w: Words) -> Moves:
    """Be asked something in between, and put it off."""
    return [row(w.goods[0]), button(w.later), link(w.aboutSeller), DONE]


def asked_later(w: Words) -> Moves:
    """Be asked something further on."""
    return [row(w.goods[1]), link(w.questions), button(w.later), BACK, link(w.aboutSeller), DONE]


def missing(w: Words) -> Moves:
    """Tap beside the button first, time and again, without the recording saying that it is a mistake."""
    g = w.goods
    once = [tap(w.optionsHelp), button(w.basket), BACK]
    return [row(g[0]), *once, row(g[1]), *once, row(g[2]), *once, row(g[3]), DONE]


def mistaken(w: Words) -> Moves:
    """Tap wrong things first, and the recording says so."""
    g = w.goods
    return [
        slip("wrong_element", row(g[1])), repair(BACK), row(g[0]), slip("no_effect", tap(w.details)),
        repair(link(w.aboutSeller)), DONE,
    ]  # fmt: skip


def wiping(w: Words) -> Moves:
    """Delete all letters."""
    return [button(w.settings), link(w.wipe), BACK, link(w.about), DONE]


def typed(w: Words) -> Moves:
    """Fill in a field and go on, with the keyboard still open."""
    return [button(w.sell), tap(w.name, "textbox"), typing("x"), tap(w.priceLabel, "textbox"), DONE]


def glancing(w: Words) -> Moves:
    """Open what the buttons at the top lead to."""
    return [row(w.goods[0]), BACK, button(w.search), BACK, button(w.settings), BACK, button(w.sell), DONE]


def buying(w: Words) -> Moves:
    """Put several things into the basket."""
    g = w.goods
    return [row(g[0]), button(w.basket), BACK, row(g[1]), button(w.basket), BACK, row(g[2]), button(w.basket), DONE]


def searching(w: Words) -> Moves:
    """Type at once into a search field that has the focus already."""
    return [button(w.search), typing(w.goods[1]), ENTER, DONE]


def loading(w: Words) -> Moves:
    """Search from a page that is still loading."""
    return [row(w.goods[0]), button(w.search), tap(w.searchGoods, "textbox"), typing("x"), DONE]


def watching(w: Words) -> Moves:
    """Read on below the video."""
    return [tab(w.news), link(w.questions), BACK, tab(w.offers), DONE]


def fading(w: Words) -> Moves:
    """Put something into the basket and go on while the message still shows."""
    return [row(w.goods[0]), button(w.basket), link(w.aboutSeller), BACK, DONE]


def choosing(w: Words) -> Moves:
    """Look at how to get it, without a choice."""
    return [row(w.goods[1]), link(w.options), BACK, link(w.questions), DONE]


def chosen(w: Words) -> Moves:
    """Choose how to get it; the choice shows for all goods."""
    choice = [link(w.options), tap(w.delivery, "menuitem"), BACK, BACK]
    return [row(w.goods[0]), *choice, row(w.goods[1]), link(w.aboutSeller), BACK, link(w.questions), DONE]


def nesting(w: Words) -> Moves:
    """Look at questions in a box that scrolls by itself."""
    return [row(w.goods[0]), link(w.questions), BACK, DONE]


def bottom(w: Words) -> Moves:
    """Go to the end of the list."""
    return [row(w.goods[0]), BACK, scroll(900), row(w.goods[11]), BACK, row(w.goods[10]), DONE]


def bought(w: Words) -> Moves:
    """Put something into the basket and finish while the message still shows."""
    return [row(w.goods[0]), button(w.basket), DONE]


def sheets(w: Words) -> Moves:
    """Choose how to get it."""
    choose = [link(w.options), tap(w.delivery, "menuitem")]
    return [row(w.goods[0]), *choose, link(w.options), tap(w.pickup, "menuitem"), *choose, DONE]


SCRIPTS: dict[str, Script] = {
    script.__name__: script
    for group in (
        (browse, compare, order, plain, looking, selling, pricing, accepting, accepting_later, notices, about),
        (tabs, bargain, gazette, post, holding, reading, scrolling, leafing, far, buying),
        (asked, asked_later, missing, mistaken),
    )
    for script in group
}
"""The walks that are taken without any trap, by name."""
IN_CHINESE = (
    *("compare", "order", "looking", "pricing", "accepting", "tabs", "bargain", "gazette", "post"),
    *("holding", "reading", "leafing", "asked", "missing"),
)
WITH_TRAP: dict[str, Script] = {
    script.__name__: script
    for script in (
        wiping,
        loading,
        typed,
        searching,
        fading,
        bought,
        sheets,
        choosing,
        chosen,
        bottom,
        nesting,
        deep,
        glancing,
        watching,
    )
}
"""The walks that only a trap makes possible, or worth taking."""
EVENTS: dict[str, dict[int, str]] = {"asked": {1: "rate"}, "asked_later": {2: "rate"}}
"""What pops up before which step."""


def walk(name: str, lang: Lang, *traps: str) -> Walk:
    """Return a walk in one language with traps on."""
    moves = (SCRIPTS | WITH_TRAP)[name](Words(lang))
    return Walk(name, lang, traps, tuple(moves), EVENTS.get(name, {}))


def clean() -> list[Walk]:
    """Return the walks without traps: all of them in English, some in Chinese."""
    return [walk(name, "en") for name in SCRIPTS] + [walk(name, "zh") for name in IN_CHINESE]
