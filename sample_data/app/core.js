"use strict";
// State, history and rendering. A page is a pure function of the state and of the view, and a view lives in the
// browser's history: going back draws the very same page again, with its scroll position, focus and drafts.

const query = new URLSearchParams(location.search);

const App = {
  name: query.get("app") || "drive",
  lang: query.get("lang") || "en",
  state: null,
  view: null,
  snack: null,
  pending: 0, // steps back that the browser has not taken yet
  nextSnack: null,
  pages: [], // [pattern, function of the match's groups]
  overlays: {}, // kind -> function of the overlay
  on: {}, // act -> function of its argument

  start() {
    document.documentElement.lang = App.lang === "zh" ? "zh-CN" : "en";
    document.title = T()[App.name];
    App.state = App.name === "drive" ? seedDrive(App.lang) : seedNotes(App.lang);
    App.view = { path: "/" };
    history.replaceState(App.view, "", "#/");
    App.render();
  },

  /** Remember how the page looks, so that coming back restores it exactly. */
  save() {
    const active = document.activeElement;
    App.view.focus = active && active.id ? active.id : null;
    App.view.scroll = {};
    document.querySelectorAll("[data-scroll]").forEach((el) => (App.view.scroll[el.dataset.scroll] = el.scrollTop));
    history.replaceState(App.view, "", "#" + App.view.path);
  },

  /** Open a page, or an overlay over the current page. */
  go(next, replace) {
    if (replace) history.replaceState(next, "", "#" + next.path);
    else {
      App.save();
      history.pushState(next, "", "#" + next.path);
    }
    App.view = next;
    App.snack = null;
    App.render();
  },

  /** Show an overlay; one that follows another takes its place in the history. */
  open(kind, extra) {
    const under = { path: App.view.path, query: App.view.query, draft: App.view.draft };
    const scroll = App.view.overlay ? App.view.scroll : App.scrolls();
    App.go({ ...under, scroll, overlay: { kind, ...extra } }, Boolean(App.view.overlay));
  },

  scrolls() {
    App.save();
    return App.view.scroll;
  },

  back(count = 1, snack = null) {
    App.pending += 1;
    App.nextSnack = snack;
    history.go(-count);
  },

  /** Draw again in place after the state changed. */
  refresh(snack = null) {
    App.save();
    App.snack = snack;
    App.render();
  },

  render() {
    const dark = App.state.settings.dark;
    document.documentElement.classList.toggle("dark", dark);
    const match = App.pages.map(([pattern, page]) => [App.view.path.match(pattern), page]).find(([m]) => m);
    const overlay = App.view.overlay;
    document.getElementById("root").innerHTML =
      `<div class="app app-${App.name}">${match[1](...match[0].slice(1))}</div>` +
      (overlay ? `<div class="scrim" data-act="dismiss" role="button" aria-label="${T().dismiss}"></div>` + App.overlays[overlay.kind](overlay) : "") +
      (App.snack ? `<div class="snack" role="status">${esc(App.snack)}</div>` : "");
    App.restore();
  },

  restore() {
    const { scroll, draft, focus } = App.view;
    document.querySelectorAll("[data-draft]").forEach((el) => {
      if (draft && draft[el.dataset.draft] !== undefined) el.value = draft[el.dataset.draft];
    });
    document.querySelectorAll("[data-scroll]").forEach((el) => (el.scrollTop = (scroll && scroll[el.dataset.scroll]) || 0));
    App.enable();
    const first = App.view.overlay ? null : document.querySelector("[data-autofocus]");
    const target = focus ? document.getElementById(focus) : first;
    if (target) target.focus({ preventScroll: true });
    else if (document.activeElement) document.activeElement.blur();
  },

  /** A button that needs a field stays disabled until the field has text. */
  enable() {
    document.querySelectorAll("[data-needs]").forEach((button) => {
      button.disabled = !(App.draft(button.dataset.needs) || "").trim();
    });
  },

  draft(name) {
    return (App.view.draft || {})[name];
  },
};

function T() {
  return TEXT[App.lang];
}

function esc(text) {
  return String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
}

addEventListener("popstate", (event) => {
  App.view = event.state;
  App.snack = App.nextSnack || null;
  App.nextSnack = null;
  App.pending = 0;
  App.render();
});

// A tap on anything but a field leaves the focus where it is.
addEventListener("mousedown", (event) => {
  if (!event.target.closest("input[type=text], textarea")) event.preventDefault();
});

addEventListener("click", (event) => {
  const target = event.target.closest("[data-act]");
  if (target && !target.disabled) App.on[target.dataset.act](target.dataset.arg, target);
});

addEventListener("change", (event) => {
  const act = event.target.dataset.change;
  if (act) App.on[act](event.target.dataset.arg, event.target);
});

addEventListener("input", (event) => {
  const name = event.target.dataset.draft;
  if (!name) return;
  App.view.draft = { ...App.view.draft, [name]: event.target.value };
  App.enable();
});

addEventListener("keydown", (event) => {
  const act = event.target.dataset && event.target.dataset.enter;
  if (event.key === "Enter" && act) App.on[act](event.target.value);
});

App.on.back = () => App.back();
App.on.dismiss = () => App.back();
App.on.go = (path) => App.go({ path });
App.on.search = (text) => {
  App.view.query = text.trim();
  App.refresh();
};
App.on.recentSearch = (text) => {
  App.view.draft = { q: text };
  App.on.search(text);
};
