"""The pages as HTML text: one file each, no script, nothing fetched; every text of the data escaped."""

import base64
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any

from msgspec import Struct

from pipeline.checks import CHECKS
from pipeline.records import ImageRef
from pipeline.storage.manifest import Manifest
from pipeline.validation.unasked import by_reason, n_asked, unasked
from pipeline.validation.verdict import findings

from . import charts, tokens
from .charts import escaped
from .drift import Drift, median, spelled
from .measure import COUNTED, MEASURED, Measures
from .refused import Refused

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
TITLES = {
    "split": "Splits", "origin": "Origin", "error_kind": "Error kinds", "flag": "Warnings", "action": "Actions",
    "app": "Apps", "language": "Languages", "stored_size": "Stored sizes", "recorded_size": "Recorded sizes",
    "tokens": "Tokens", "history": "History", "images": "Screenshots in a sample", "screens": "Length of trajectories",
    "thought_words": "Thoughts",
}  # fmt: skip
MAPS = 12
"""Click maps, the fullest first."""


class Content(Struct, frozen=True):
    """Everything that the report says."""

    path: str
    manifest: Manifest
    measures: Measures
    funnel: tuple[tuple[str, int], ...]
    """What was left after each stage, from the first."""
    refused: tuple[Refused, ...]
    """The first ones."""
    n_refused: int
    against: str | None = None
    """The other dataset."""
    theirs: Measures | None = None
    drift: Drift | None = None


Address = Callable[[ImageRef], str | None]
"""From a screenshot to what `src` may say, None if it cannot be shown."""


def report(content: Content, picture: Address) -> str:
    """Return `report.html`; `picture` gives data URIs, so that the file stands alone."""
    manifest = content.manifest
    body = [
        f"<h1>{escaped(content.path)}</h1>",
        f'<p class="soft">stage {escaped(manifest.stage)}, layout {escaped(manifest.contract.layout)}, '
        f"gdp {escaped(manifest.version)}, fingerprint <code>{manifest.fingerprint[:16]}</code></p>",
        '<nav><a href="#findings">Findings</a><a href="#funnel">In and out</a><a href="#content">Content</a>'
        '<a href="#clicks">Clicks</a><a href="#refused">Refused</a>'
        + ('<a href="#against">Against</a>' if content.drift else "")
        + "</nav>",
        _tiles(content),
        _verdict(manifest),
        _findings(content),
        _funnel(content),
        _against(content),
        _content(content),
        _maps(content),
        _refused(content, picture),
    ]
    return _html(f"gdp report: {content.path}", "".join(body))


def refused_page(rows: Sequence[Refused], picture: Address, number: int, last: int) -> str:
    """Return one page of the refused rows."""
    turning = " ".join(
        [f'<a href="{number - 1}.html">previous</a>' if number > 1 else "",
         f"page {number} of {last}",
         f'<a href="{number + 1}.html">next</a>' if number < last else "",
         '<a href="../report.html">report</a>']
    )  # fmt: skip
    cards = "".join(_card(row, picture) for row in rows)
    nav = f'<nav class="turning" aria-label="Pages">{turning}</nav>'
    body = f'<h1>Refused rows</h1>{nav}<div class="cards">{cards}</div>{nav}'
    return _html(f"gdp: refused rows, page {number}", body)


def data_uri(data: bytes, media_type: str) -> str:
    """Return the picture as a part of the page."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _html(title: str, body: str) -> str:
    style = files("pipeline.overview").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escaped(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def _tiles(content: Content) -> str:
    measures, manifest = content.measures, content.manifest
    flow = manifest.counts["samples"]
    facts: list[tuple[str, Any]] = [
        ("sample" if measures.samples == 1 else "samples", measures.samples),
        ("trajectory" if measures.trajectories == 1 else "trajectories", measures.trajectories),
    ]
    facts += [(split, n) for split, n in measures.counts["split"].items()]
    if measures.unreadable:
        facts.append((f"unreadable {'row' if measures.unreadable == 1 else 'rows'} among them", measures.unreadable))
    facts += [("refused here", flow.rejected), ("kept with a warning", manifest.details.get("flagged", 0))]
    items = "".join(f"<li><b>{count:,}</b>{escaped(name)}</li>" for name, count in facts)
    return f'<ul class="tiles">{items}</ul>'


def _verdict(manifest: Manifest) -> str:
    found = findings(manifest)
    errors = sum(times for level, _, times, _ in found if level == "error")
    warnings = sum(times for level, _, times, _ in found if level == "warning")
    if errors:
        text = f"{_number(errors, 'error')}; {_number(manifest.counts['samples'].rejected, 'sample')} refused."
        return f'<p class="verdict error">{text}</p>'
    if warnings:
        return f'<p class="verdict warning">No error; {_number(warnings, "warning")}.</p>'
    return f'<p class="verdict good">Nothing found by {_number(n_asked(manifest), "check")}.</p>'


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _findings(content: Content) -> str:
    manifest, rows = content.manifest, []
    for level, name, times, examples in findings(manifest):
        listed = "".join(f"<li>{escaped(each)}</li>" for each in examples)
        meaning = escaped(CHECKS[name].meaning) if name in CHECKS else ""
        more = f"<details><summary>examples</summary><ul>{listed}</ul></details>" if examples else ""
        rows.append(
            f'<tr><td><span class="level {level}">{level}</span></td><td><code>{escaped(name)}</code></td>'
            f'<td class="number">{times:,}</td><td>{meaning}{more}</td></tr>'
        )
    head = '<tr><th>severity</th><th>check</th><th class="number">times</th><th>what should hold</th></tr>'
    table = (
        f'<div class="scroll"><table class="findings">{head}{"".join(rows)}</table></div>' if rows else "<p>None.</p>"
    )
    told = {found[1] for found in findings(manifest)} | set(unasked(manifest))
    silent = _codes(name for name in manifest.config.get("checks", {}) if name not in told)
    quiet = f"<details><summary>checks that found nothing</summary><p>{silent}</p></details>" if silent else ""
    idle = "".join(f"<p>{_codes(names)}: {escaped(reason)}</p>" for reason, names in by_reason(manifest).items())
    quiet += f"<details><summary>checks that could not be asked</summary>{idle}</details>" if idle else ""
    return f'<h2 id="findings">Findings</h2>{_where(content)}{table}{quiet}'


def _where(content: Content) -> str:
    """Return where the samples are that were found: pictures are shown of refused rows only."""
    manifest, path = content.manifest, content.path
    told = []
    if manifest.counts["samples"].rejected:
        told.append('Refused rows stand <a href="#refused">below</a> beside their screenshots.')
    if manifest.details.get("flagged", 0):
        told.append("A sample with a warning is kept and has no picture here, but a flag:")
        if not manifest.shards:
            told.append(f"<code>gdp validate {escaped(path)} -o OUT</code> writes it, and")
        told.append(f"<code>gdp view {escaped(path if manifest.shards else 'OUT')}</code> filters by flags.")
    return f'<p class="soft">{" ".join(told)}</p>' if told else ""


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"<code>{escaped(name)}</code>" for name in names)


def _funnel(content: Content) -> str:
    caption = "<figcaption><b>Samples</b>what was left after each stage that is known from this dataset</figcaption>"
    return f'<h2 id="funnel">In and out</h2><figure class="narrow">{caption}{charts.funnel(content.funnel)}</figure>'


def _content(content: Content) -> str:
    figures = []
    theirs = content.theirs
    for name, meaning in COUNTED.items():
        counts = content.measures.counts[name]
        other = theirs.counts.get(name) if theirs else None
        if counts or other:
            drawn = charts.bars({**counts, **dict.fromkeys(set(other or ()) - set(counts), 0)}, beside=other)
            unlike = "; the other one was never validated" if theirs and other is None else ""
            figures.append(_figure(name, meaning + unlike, drawn))
    for name, meaning in MEASURED.items():
        values = content.measures.values[name]
        if (middle := median(values)) is not None:
            ends = f"from {min(values):,} to {max(values):,}" if min(values) < max(values) else "all the same"
            limit = content.measures.most if name == "tokens" else None
            meaning = tokens.told(content.measures, meaning) if name == "tokens" else meaning
            unlike = "; the other one's are counted otherwise" if theirs and name not in theirs.values else ""
            told = f"{meaning}; median {spelled(middle)}, {ends}{unlike}"
            drawn = charts.histogram(values, beside=theirs.values.get(name, ()) if theirs else (), limit=limit)
            figures.append(_figure(name, told, drawn))
    key = ""
    if theirs:
        key = ('<p class="soft"><span class="key own"></span>this dataset'
               '<span class="key there"></span>the other one, by shares</p>')  # fmt: skip
    return f'<h2 id="content">Content</h2>{key}<div class="grid">{"".join(figures)}</div>'


def _figure(name: str, meaning: str, drawn: str) -> str:
    return f"<figure><figcaption><b>{TITLES[name]}</b>{escaped(meaning)}</figcaption>{drawn}</figure>"


def _maps(content: Content) -> str:
    maps = content.measures.clicks
    figures = "".join(
        f'<figure class="{each.screen}"><figcaption><b>{escaped(each.app)}</b>{_number(each.points, "point")} on '
        f"{each.screen} screens, mostly {each.size[0]}x{each.size[1]}</figcaption>{charts.heat(each)}</figure>"
        for each in maps[:MAPS]
    )
    rest = f'<p class="soft">{len(maps) - MAPS} more in report.json</p>' if len(maps) > MAPS else ""
    return f'<h2 id="clicks">Where trained actions land</h2><div class="heats">{figures}</div>{rest}' if maps else ""


def _against(content: Content) -> str:
    drift = content.drift
    if drift is None:
        return ""
    samples = ", ".join(f"{count:,} {what}" for what, count in drift.samples.items())
    settings = "".join(
        f"<tr><td><code>{escaped(place)}</code></td><td><code>{escaped(str(before))}</code></td>"
        f"<td><code>{escaped(str(now))}</code></td></tr>"
        for place, (before, now) in drift.settings.items()
    )
    ordered = sorted(drift.distances.items(), key=lambda each: -each[1])
    moved = "".join(
        f'<tr><td>{TITLES[name]}</td><td class="number">{distance:.2f}</td>'
        f"<td>{escaped(drift.moved.get(name, ''))}</td></tr>"
        for name, distance in ordered
        if distance > 0
    )
    tables = (
        '<div class="scroll"><table class="moved"><tr><th>distribution</th><th class="number">distance</th>'
        f"<th>what moved</th></tr>{moved}</table></div>"
        if moved
        else "<p>All distributions are equal.</p>"
    )
    if settings:
        head = "<tr><th>setting</th><th>there</th><th>here</th></tr>"
        tables += f'<h3>Settings</h3><div class="scroll"><table class="settings">{head}{settings}</table></div>'
    told = f"<p>Samples: {samples}. A distance is 0 for equal distributions and 1 for such without overlap.</p>"
    return f'<h2 id="against">Against {escaped(content.against or "")}</h2>{told}{tables}'


def _refused(content: Content, picture: Address) -> str:
    if not content.n_refused:
        return '<h2 id="refused">Refused rows</h2><p>None.</p>'
    cards = "".join(_card(row, picture) for row in content.refused)
    all_of_them = "The refused row" if content.n_refused == 1 else f"All {content.n_refused:,} refused rows"
    more = f'<p><a href="rejected/1.html">{all_of_them}</a>, in the folder beside this file.</p>'
    return f'<h2 id="refused">Refused rows</h2>{more}<div class="cards">{cards}</div>'


def _card(row: Refused, picture: Address) -> str:
    address = None if row.image is None else picture(row.image)
    frame = '<div class="frame none">no screenshot</div>'
    if row.image is not None and address is not None:
        size = f'width="{row.image.width}" height="{row.image.height}"'
        frame = (f'<div class="frame"><img src="{escaped(address)}" alt="the screenshot of this row" {size} '
                 f">{_overlay(row)}</div>")  # fmt: skip
    says = f"<details><summary>response</summary><p><code>{escaped(row.says)}</code></p></details>" if row.says else ""
    goal = f"<p>{escaped(row.goal)}</p>" if row.goal else ""
    return (
        f'<article class="card">{frame}<div><h3><code>{escaped(row.code)}</code> '
        f'<span class="soft">{escaped(row.stage)}, {escaped(row.scope)}</span></h3><p>{escaped(row.message)}</p>{goal}'
        f'<p class="soft"><code>{escaped(row.where)}</code></p>{says}</div></article>'
    )


def _overlay(row: Refused) -> str:
    parts = []
    for shape in row.shapes:
        at = shape["at"]
        if shape["shape"] == "box":
            x1, y1, x2, y2 = (_percent(value) for value in at)
            parts.append(f'<rect class="box" x="{x1}" y="{y1}" width="{x2 - x1:g}" height="{y2 - y1:g}"/>')
        elif shape["shape"] == "line":
            points = " ".join(f"{_percent(x):g},{_percent(y):g}" for x, y in at)
            parts.append(f'<polyline points="{points}"/>')
        else:
            x, y = (_percent(value) for value in at)
            parts.append(f'<ellipse cx="{x:g}" cy="{y:g}" rx="4" ry="{_ry(row):g}"/>')
    return f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def _percent(value: float) -> float:
    return round(min(max(float(value), -1.0), 2.0) * 100, 2)


def _ry(row: Refused) -> float:
    assert row.image is not None
    return round(4 * row.image.width / row.image.height, 3)
