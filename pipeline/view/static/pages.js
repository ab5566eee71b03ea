// The three pages: a list of samples, film strips of trajectories, one sample.
"use strict";

(() => {
  const {make, frame, badge} = gdp;
  const pages = {};
  gdp.pages = pages;

  const link = (id) => `#/sample/${encodeURIComponent(id)}`;
  const kindOf = (role) => role === "error" ? "error" : role === "recovery" ? "recovery" : "normal";
  const number = (value) => value.toLocaleString("en");

  // What should hold where a sample is flagged; nothing is known of a check of another version.
  const meaning = (flag) => gdp.meanings[flag] ? `what should hold: ${gdp.meanings[flag]}` : null;
  const flags = (item) => item.flags.map((flag) => badge(flag, "flag", meaning(flag)));
  const explained = (item) => item.flags.length ? make("ul.flags", {"aria-label": "Warnings"},
    ...item.flags.map((flag) => make("li", {}, badge(flag, "flag"), " ", meaning(flag)))) : null;

  const badges = (item) => [
    badge(item.split),
    item.origin === "clean" ? null : badge(item.error_kind ?? item.origin, "recovery"),
    badge(item.action),
    item.app ? badge(item.app) : null,
  ];

  const card = (item) => make("li", {},
    make("a.card", {href: link(item.id), "data-id": item.id},
      item.image ? frame(item.image, item.shapes, {alt: `Screen before: ${item.says}`}) : make("div.frame.none"),
      make("span.text", {},
        make("strong", {}, item.says),
        item.broken ? make("span.badges", {}, badge(item.broken, "error")) : null,
        make("span.goal", {}, item.goal),
        make("span.badges", {}, ...badges(item), ...flags(item)),
        make("code", {}, item.id))));

  const turning = (found, go) => {
    const last = found.start + found.items.length;
    const button = (text, start, off) => make("button", {type: "button", disabled: off, onclick: () => go(start)}, text);
    return make("nav.turning", {"aria-label": "Pages"},
      button("Previous", Math.max(0, found.start - found.page), found.start === 0),
      make("span", {}, found.total ? `${number(found.start + 1)}–${number(last)} of ${number(found.total)}` : "none"),
      button("Next", found.start + found.page, last >= found.total));
  };

  const nothing = () => make("p.empty", {}, "Nothing matches. Take a filter away, or press “Show all”.");

  pages.samples = (found, go) => found.total
    ? [turning(found, go), make("ol.cards", {}, ...found.items.map(card)), turning(found, go)] : [nothing()];

  const step = (each) => make("li", {},
    each.image ? frame(each.image, each.shapes, {kind: kindOf(each.role), alt: `Step ${each.index}`})
      : make("div.frame.none", {}, "no screenshot"),
    make("p", {}, make("b", {}, `${each.index} `), each.says || "the screen at the end"),
    each.role === "normal" ? null : make("p", {}, badge(each.role, kindOf(each.role))),
    each.samples.length ? make("p.links", {}, ...each.samples.map((sample) =>
      make("a", {href: link(sample.id)}, sample.origin === "clean" ? "sample" : "error sample"))) : null);

  const strip = (item) => make("section.strip", {"aria-label": item.trajectory},
    make("h2", {}, item.goal),
    make("p.badges", {}, badge(item.split), item.app ? badge(item.app) : null, make("code", {}, item.trajectory)),
    make("ol.film", {tabindex: "0", "aria-label": "Steps, scroll sideways"}, ...item.steps.map(step)));

  pages.trajectories = (found, go) => found.total
    ? [turning(found, go), ...found.items.map(strip), turning(found, go)] : [nothing()];

  const pair = ([x, y]) => `${x}, ${y}`;

  const reading = (image) => image.readings.length ? make("table.readings", {},
    make("caption", {}, "The action's points"),
    make("thead", {}, make("tr", {}, ...["model", `stored ${image.width}×${image.height}`,
      `recorded ${image.recorded.width}×${image.recorded.height}`].map((text) => make("th", {scope: "col"}, text)))),
    make("tbody", {}, ...image.readings.map((each) => make("tr", {},
      make("td", {}, pair(each.model)), make("td", {}, pair(each.stored)), make("td", {}, pair(each.recorded)))))) : null;

  const size = (image, width, height, caption, scale) => {
    const box = make("div.scaled", {},
      frame({...image, width, height}, image.shapes, {kind: kindOf(image.role), alt: caption}),
      make("p.caption", {}, caption));
    box.style.width = `${scale * width}%`;
    return box;
  };

  // Both pictures at one scale, so that what the smaller one loses can be seen.
  const sizes = (image) => {
    const {recorded} = image;
    const scale = 100 / (recorded.width + image.width) * 0.98;
    const note = recorded.url ? "as recorded" : "recorded size (the stored picture, enlarged)";
    return make("details.sizes", {}, make("summary", {}, "Recorded and stored size"),
      make("div.pair", {},
        size({...image, url: recorded.url ?? image.url}, recorded.width, recorded.height,
          `${recorded.width}×${recorded.height} ${note}`, scale),
        size(image, image.width, image.height, `${image.width}×${image.height} stored`, scale)));
  };

  const detail = (image) => Object.entries(image.arguments)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");

  const shot = (image) => {
    const kind = kindOf(image.role), alt = `Step ${image.step}, before: ${image.says}`;
    const box = frame(image, image.shapes, {kind, alt});
    const open = make("button.open", {type: "button", "aria-label": `Enlarge the screenshot of step ${image.step}`,
      onclick: () => gdp.zoom(image, image.shapes, kind, alt)}, box);
    return make("figure.shot", {}, open, make("figcaption", {},
      make("p", {}, make("b", {}, `Step ${image.step}: `), image.says),
      make("p", {}, badge(image.action), detail(image) ? make("span.detail", {}, detail(image)) : null),
      reading(image), sizes(image)));
  };

  const weightOf = (message, turn) => message.weight > 0
    ? badge(message.weight === 1 ? "trained" : `trained ×${message.weight}`, "trained")
    : badge(turn?.role === "error" ? "no loss: the error" : "no loss", turn?.role === "error" ? "error" : "");

  const message = (each, sample) => {
    const turn = each.turn === null ? null : sample.turns[each.turn];
    const box = make(`article.message.${each.role}`, {"aria-label": each.role},
      make("header", {}, make("b", {}, each.role), turn ? make("span", {}, `step ${turn.step}`) : null,
        weightOf(each, turn)),
      ...each.parts.map((part) => "image" in part ? shot(sample.images[part.image]) : make("pre", {}, part.text)));
    if (each.weight > 0) {
      box.classList.add("learns");
      box.style.setProperty("--weight", Math.min(each.weight, 1));
    }
    if (turn?.role === "error") box.classList.add("errs");
    return each.role === "system" ? make("details.message.system", {}, make("summary", {}, "system prompt"), box) : box;
  };

  // Before, the wrong action, after, and how it is mended, at a glance.
  const slip = (sample) => {
    let place = sample.turns.findLastIndex((turn) => turn.role === "error" && turn.image !== null);
    while (place > 0 && sample.turns[place - 1].role === "error" && sample.turns[place - 1].image !== null) place -= 1;
    if (place < 0) return null;
    const shown = sample.turns.slice(place).filter((turn) => turn.image !== null);
    return make("section.slip", {"aria-label": "The error and its correction"}, make("h3", {}, "Error and correction"),
      make("ol.film", {tabindex: "0", "aria-label": "Screens, scroll sideways"}, ...shown.map((turn) => {
        const image = sample.images[turn.image];
        return make("li", {}, frame(image, image.shapes, {kind: kindOf(turn.role), alt: `Screen before: ${turn.says}`}),
          make("p", {}, badge(turn.role === "error" ? "wrong" : turn.weight > 0 ? "trained" : turn.role,
            turn.role === "error" ? "error" : turn.weight > 0 ? "trained" : ""), " ", turn.says));
      })));
  };

  const beside = (sample) => make("p.links", {},
    sample.previous ? make("a", {href: link(sample.previous), rel: "prev"}, "← previous in the trajectory") : null,
    sample.next ? make("a", {href: link(sample.next), rel: "next"}, "next in the trajectory →") : null,
    ...sample.same_step.map((each) => make("a", {href: link(each.id)},
      each.origin === "clean" ? "the clean sample of this step" : `with ${each.error_kind ?? each.origin}`)));

  // A row whose parts do not fit together: why, and the row as it stands.
  const brokenRow = (sample) => [make("p.failure", {role: "alert"}, `This row cannot be shown as a sample: ${sample.broken}`),
    make("pre.row", {tabindex: "0", "aria-label": "The row as it is stored"}, sample.row)];

  pages.sample = (sample) => [make("article.sample", {},
    make("p", {}, make("a", {href: gdp.listHash()}, "← back to the list")),
    make("h2", {}, sample.goal),
    make("p.badges", {}, ...badges(sample), ...(sample.broken ? [] : [badge(sample.layout),
      badge(`${number(sample.tokens.image)} image tokens`), badge(`about ${number(sample.tokens.text)} text tokens`)])),
    explained(sample),
    beside(sample), ...(sample.broken ? brokenRow(sample) : conversation(sample)))];

  const conversation = (sample) => [slip(sample),
    make("h3", {}, "Conversation"),
    ...sample.messages.map((each) => message(each, sample)),
    make("details", {}, make("summary", {}, "Where it comes from"),
      make("dl.provenance", {}, ...Object.entries(sample.provenance).flatMap(([name, value]) =>
        [make("dt", {}, name), make("dd", {}, value)])))];
})();
