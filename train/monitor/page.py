"""A run as one HTML page: nothing is loaded, nothing is executed, every text is escaped."""

from collections.abc import Iterator
from html import escape

from .plot import Curve, svg
from .state import State, Verdict
from .words import facts, headline

REFRESH_SECONDS = 5

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2330; --soft: #667085; --line: #e3e6eb;
  --a: #2563c9; --b: #d9730d; --good: #1a7f4b; --bad: #c0362c; }
@media (prefers-color-scheme: dark) { :root { --page: #12151b; --card: #1a1f28; --ink: #e6e9ef; --soft: #98a2b3;
  --line: #2c3340; --a: #6ea8ff; --b: #f0a35a; --good: #56c98d; --bad: #ff7b6e; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem 3rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: auto; }
h1 { font-size: 1.3rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: .95rem; margin: 0 0 .5rem; font-weight: 600; }
header p { margin: .25rem 0 1rem; color: var(--soft); }
.bar { height: .4rem; border-radius: .2rem; background: var(--line); margin-bottom: 1.5rem; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--a); }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; min-width: 0; }
.key { color: var(--soft); font-size: .85rem; font-weight: 400; margin-left: .75rem; white-space: nowrap; }
.key i { display: inline-block; width: .8em; height: .2em; vertical-align: middle; margin-right: .35em; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
ul { list-style: none; margin: 0; padding: 0; }
li { padding: .35rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; } li:first-child { border: 0; }
li b { display: inline-block; min-width: 3.2em; font-weight: 600; }
.ok b { color: var(--good); } .warn b, .stop b { color: var(--bad); } .off { color: var(--soft); }
.alert { border-color: var(--bad); margin-bottom: 1rem; overflow-wrap: anywhere; }
.alert p { margin: .25rem 0 0; }
"""


def render(state: State, *, refresh: bool = False) -> str:
    """Return the page; with `refresh` it loads itself again while the run goes on."""
    return "".join(_parts(state, refresh))


def _parts(state: State, refresh: bool) -> Iterator[str]:
    title = escape(state.folder.resolve().name)
    again = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refresh else ""
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{again}'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main>"
    )
    yield f"<header><h1>{title}</h1><p>{escape(headline(state))}</p></header>"
    share = min(1.0, state.step / state.steps) if state.steps else 0.0
    yield f'<div class="bar"><i style="width:{share:.1%}"></i></div>'
    if stopped := state.stop():
        said, hint = escape(str(stopped.get("message", ""))), escape(str(stopped.get("hint", "")))
        guard = escape(str(stopped.get("guard", "")))
        yield f'<section class="alert"><h2>Stopped by {guard}</h2><p>{said}</p><p>{hint}</p></section>'
    yield '<div class="grid">'
    for name, curves in _charts(state):
        if any(curve.points for curve in curves):
            yield f"<section><h2>{name}{_key(curves)}</h2>{svg(curves, name, zero='second' in name)}</section>"
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts(state))
    yield f"<section><h2>Numbers</h2><dl>{rows}</dl></section>"
    yield f"<section><h2>Health</h2><ul>{''.join(map(_verdict, state.verdicts()))}</ul></section>"
    yield "</div></main></body></html>\n"


def _charts(state: State) -> Iterator[tuple[str, list[Curve]]]:
    train = Curve("train, each step", state.each_step("losses"), "a")
    yield "Loss", [train, Curve("eval", state.series("eval_loss"), "b", marked=True)]
    yield "Gradient norm", [Curve("before clipping", state.each_step("grad_norms"), "a")]
    shades = ("a", "b")
    rates = [
        Curve(name.removeprefix("learning_rate/").replace("_", " "), state.series(name), shades[place % 2])
        for place, name in enumerate(state.rates())
    ]
    yield "Learning rate", rates
    yield "Tokens per second", [Curve("padding left out", state.series("tokens_per_second"), "a")]


def _key(curves: list[Curve]) -> str:
    return "".join(
        f'<span class="key"><i style="background:var(--{curve.shade})"></i>{escape(curve.name)}</span>'
        for curve in curves
        if curve.points
    )


def _verdict(verdict: Verdict) -> str:
    times = f" ({verdict.count} times)" if verdict.count > 1 else ""
    text = f"<br>{escape(verdict.text)}{times}" if verdict.text else ""
    return f'<li class="{verdict.level}"><b>{verdict.level}</b> {verdict.guard.replace("_", " ")}{text}</li>'
