// Address, filters and keys: which page is shown, and of what.
"use strict";

(() => {
  const {make} = gdp;
  const at = (id) => document.getElementById(id);
  const page = at("page"), status = at("status"), form = at("filter-form");
  const NAMES = {split: "Split", origin: "Origin", error_kind: "Error kind", action: "Action", app: "App", flag: "Flag"};
  let list = {view: "samples", query: {}}, ids = [], asked = 0;

  // #/samples?split=val&start=40   #/trajectories?…   #/sample/<id>
  const address = () => {
    const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
    const [view, ...rest] = path.split("/");
    let id = rest.join("/");
    try { id = decodeURIComponent(id); } catch { /* shown as it is */ }
    return {view: view || "samples", id, query: Object.fromEntries(new URLSearchParams(query ?? ""))};
  };

  const hashOf = ({view, query}) => {
    const kept = Object.entries(query).filter(([, value]) => value && value !== "0");
    return `#/${view}${kept.length ? "?" + new URLSearchParams(kept) : ""}`;
  };

  gdp.listHash = () => hashOf(list);

  const onSample = () => address().view === "sample";

  // A choice is a step of the history; what is typed takes the place of what was typed before.
  const go = (query, {replace = false} = {}) => {
    const hash = hashOf({view: list.view, query});
    if (replace && !onSample()) location.replace(hash);
    else location.hash = hash;
  };

  const readForm = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));

  const fillForm = (query) => {
    for (const field of form.elements) if (field.name) field.value = query[field.name] ?? "";
    const active = Object.keys(query).filter((name) => name !== "start").length;
    at("active").textContent = active ? `(${active})` : "";
  };

  const NOUNS = {samples: ["sample", "samples"], trajectories: ["trajectory", "trajectories"]};
  const counted = (count, of) => `${count.toLocaleString("en")} ${NOUNS[of][count === 1 ? 0 : 1]}`;

  const show = async () => {
    const turn = ++asked, {view, id, query} = address();
    const isList = view !== "sample";
    if (isList) {
      list = {view: view === "trajectories" ? view : "samples", query};
      fillForm(query);
    }
    at("to-samples").toggleAttribute("aria-current", list.view === "samples");
    at("to-trajectories").toggleAttribute("aria-current", list.view === "trajectories");
    at("to-samples").href = hashOf({view: "samples", query: {...list.query, start: ""}});
    at("to-trajectories").href = hashOf({view: "trajectories", query: {...list.query, start: ""}});
    page.setAttribute("aria-busy", "true");
    try {
      const name = isList ? (list.view === "samples" ? "samples" : "strips") : "sample";
      const found = await gdp.load(name, isList ? list.query : {id});
      if (turn !== asked) return;
      if (name === "samples") ids = found.items.map((item) => item.id);
      const turnPage = (start) => go({...list.query, start: String(start)});
      page.replaceChildren(...(isList ? gdp.pages[list.view](found, turnPage) : gdp.pages.sample(found)));
      status.textContent = isList ? counted(found.total, list.view) : found.id;
      document.title = isList ? "gdp view" : `${found.id} · gdp view`;
      if (!isList) scrollTo(0, 0);
    } catch (error) {
      if (turn !== asked) return;
      page.replaceChildren(make("p.failure", {role: "alert"}, error.message));
      status.textContent = "";
    }
    page.removeAttribute("aria-busy");
  };

  const facet = (name, values) => Object.keys(values).length ? [
    make("label", {for: `facet-${name}`}, NAMES[name]),
    make("select", {id: `facet-${name}`, name}, make("option", {value: ""}, "any"),
      ...Object.entries(values).map(([value, count]) => make("option", {value}, `${value} (${count.toLocaleString("en")})`))),
  ] : [];

  const start = async () => {
    try {
      const summary = await gdp.load("summary");
      gdp.meanings = summary.meanings;
      const part = summary.exported === undefined || summary.exported === summary.samples ? "" : `${summary.exported.toLocaleString("en")} of `;
      at("dataset").textContent = `${summary.path} · ${summary.stage} · ${summary.layout} (coordinates ${summary.frame}) · `
        + `${part}${counted(summary.samples, "samples")} of ${counted(summary.trajectories, "trajectories")}, `
        + `${summary.rejected.toLocaleString("en")} rejected`;
      at("facets").append(...gdp.facets.flatMap((name) => facet(name, summary.facets[name])));
    } catch (error) {
      page.replaceChildren(make("p.failure", {role: "alert"}, error.message));
      return;
    }
    if (matchMedia("(max-width: 50rem)").matches) at("filters").open = false;
    await show();
  };

  let pause;
  form.addEventListener("input", (event) => {
    const replace = event.target.name === "text";
    clearTimeout(pause);
    pause = setTimeout(() => go(readForm(), {replace}), replace ? 250 : 0);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(pause);
    go(readForm(), {replace: true});
    at("text").blur();  // so that the keys of the list work
  });
  form.addEventListener("reset", () => { clearTimeout(pause); go({}); });
  at("help-button").addEventListener("click", () => at("help").showModal());
  addEventListener("hashchange", show);

  // The search is taken back, and the list with it; beside a sample, where no list is, only what was not looked for yet.
  const forget = () => {
    clearTimeout(pause);
    at("text").value = onSample() ? list.query.text ?? "" : "";
    if (!onSample()) go(readForm(), {replace: true});
    at("text").blur();
  };

  const neighbour = (by) => {
    if (onSample()) {
      const next = ids[ids.indexOf(address().id) + by];
      const beside = document.querySelector(`a[rel=${by > 0 ? "next" : "prev"}]`);
      if (next && ids.includes(address().id)) location.hash = `#/sample/${encodeURIComponent(next)}`;
      else if (beside) location.hash = beside.getAttribute("href");
      return;
    }
    const cards = [...page.querySelectorAll("a.card, .strip .links a")];
    const here = cards.indexOf(document.activeElement);
    cards[here < 0 ? (by > 0 ? 0 : cards.length - 1) : Math.min(Math.max(here + by, 0), cards.length - 1)]?.focus();
  };

  const turnPage = (label) => [...page.querySelectorAll(".turning button")].find((each) => each.textContent === label)?.click();

  const keys = {
    j: () => neighbour(1), ArrowRight: () => neighbour(1), k: () => neighbour(-1), ArrowLeft: () => neighbour(-1),
    n: () => turnPage("Next"), p: () => turnPage("Previous"),
    t: () => document.querySelector(".learns")?.scrollIntoView({block: "center"}),
    "/": () => { at("filters").open = true; at("text").focus(); },
    "?": () => at("help").showModal(),
    Escape: () => { if (onSample()) location.hash = gdp.listHash(); },
  };

  addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, dialog");
    if (typing && event.key === "Escape" && event.target.id === "text" && !event.isComposing) {
      event.preventDefault();
      forget();
      return;
    }
    const inFilm = event.target.closest(".film") && event.key.startsWith("Arrow");
    if (typing || inFilm || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  start();
})();
