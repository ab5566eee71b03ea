"use strict";
// The traps: things that real apps do and that make a careless injection false. Each is a switch of the address
// (&traps=one,two). Time passes only when the driver says so: every run of the app is the same.

const TRAPS = new Set((query.get("traps") || "").split(",").filter(Boolean));
const trap = (name) => TRAPS.has(name);
const isField = (el) => Boolean(el && el.matches && el.matches("input[type=text], textarea"));
const scroller = () => document.querySelector("[data-scroll=main]");

Object.assign(App, {
  now: 0,
  due: [], // [when, what]
  loading: false,
  keyboard: false,
  held: null,

  after(seconds, what) {
    App.due.push([App.now + seconds, what]);
  },

  /** Let time pass: what is due happens, and the clock of the status bar goes on, a minute for every second. */
  elapse(seconds) {
    App.now += seconds;
    const ready = App.due.filter(([when]) => when <= App.now);
    App.due = App.due.filter(([when]) => when > App.now);
    ready.forEach(([, what]) => what());
    const clock = document.getElementById("clock");
    if (clock) clock.textContent = App.time();
  },

  time: () => `9:${30 + Math.floor(App.now)}`,

  /** Whether the system's Back is used up by something other than leaving the page. */
  takesBack() {
    if (!App.keyboard) return false;
    document.activeElement.blur();
    return true;
  },

  /** What the app tells a recorder about itself: facts that no element shows. */
  tells: () => ({ settled: !App.loading && !(App.snack && trap("fade")), shortcuts: trap("shortcuts"), touch_radius: trap("slop") ? 14 : 0 }),
  tellsOfScroll: () => ({ exact: !trap("seen"), refresh: trap("pull"), endless: trap("endless") }),

  /** Something that comes from outside, such as a question that pops up. */
  event(name) {
    if (name === "rate") App.open("rate", {});
  },
});

for (const name of TRAPS) document.documentElement.classList.add(`trap-${name}`);

// slow: a page that is opened shows a spinner first.
const openPage = App.go;
App.go = (next, replace) => {
  App.loading = trap("slow") && !next.overlay && next.path.startsWith("/item/");
  if (App.loading) App.after(1.5, () => { App.loading = false; App.refresh(); });
  if (trap("nested") && next.path === "/questions") next.scroll = { inner: 60 };
  if (!next.overlay) App.opened(next.path);
  openPage(next, replace);
};

// fade: a message goes away by itself.
const drawAgain = App.refresh;
App.refresh = (snack = null) => {
  drawAgain(snack);
  if (snack && trap("fade")) App.after(1.5, () => drawAgain());
};

// lost_scroll: coming back draws the list from its top. visits: a page counts how often it was shown.
addEventListener("popstate", () => {
  App.loading = false;
  if (App.view.overlay) return;
  App.state.visits += 1;
  if (trap("visits")) App.render();
  if (trap("lost_scroll") && scroller()) scroller().scrollTop = 0;
});

// pull: at the top, pulling further loads anew. endless: at the bottom, more is added. seen: what was seen is marked.
addEventListener("wheel", (event) => {
  const list = scroller();
  if (!list || App.view.overlay || App.view.path !== "/") return;
  if (trap("pull") && event.deltaY < 0 && list.scrollTop === 0) {
    App.state.updated = true;
    App.refresh();
  }
  if (trap("endless") && event.deltaY > 0 && App.view.atEnd) {
    App.state.pages += 1;
    App.view.atEnd = false;
    App.refresh();
  }
}, { passive: true });

addEventListener("scroll", (event) => {
  const list = event.target;
  if (trap("endless")) App.view.atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 1;
  if (!trap("seen") || App.state.seen || scroller().scrollTop < 100) return;
  App.state.seen = true;
  App.refresh();
}, { capture: true, passive: true });

// autofocus: a field has the focus from the start. There, as with a keyboard, a tap beside it takes the focus away.
addEventListener("mousedown", (event) => {
  if ((trap("autofocus") || trap("keyboard")) && !isField(event.target) && isField(document.activeElement)) document.activeElement.blur();
});

// keyboard: a field with the focus brings up the keyboard; Back only puts it away.
function keyboard(shown) {
  App.keyboard = shown;
  document.querySelectorAll(".keys").forEach((el) => el.remove());
  if (!shown) return;
  const keys = document.createElement("div");
  keys.className = "keys";
  keys.setAttribute("role", "group");
  keys.setAttribute("aria-label", MARKET[App.lang].key);
  keys.innerHTML = "<i></i>".repeat(30);
  document.getElementById("root").append(keys);
}
addEventListener("focusin", (event) => trap("keyboard") && isField(event.target) && keyboard(true));
addEventListener("focusout", (event) => trap("keyboard") && isField(event.target) && keyboard(false));

// shortcuts: a letter typed beside a field starts a search.
addEventListener("keydown", (event) => {
  if (trap("shortcuts") && event.key.length === 1 && !isField(event.target)) App.go({ path: "/search" });
});

// Long press: a row may have a menu for it (data-long); if not, letting go is a tap like any other.
addEventListener("pointerdown", (event) => {
  const row = event.target.closest("[data-long]");
  const mine = (App.held = {});
  if (row) App.after(0.5, () => App.held === mine && App.on[row.dataset.long](row.dataset.arg));
});
addEventListener("pointerup", () => (App.held = null));

// canvas: a tap on the picture area shows or hides its controls; no element says so.
addEventListener("click", (event) => {
  if (!trap("canvas") || !event.target.closest("[data-canvas]")) return;
  App.state.playing = !App.state.playing;
  App.refresh();
});

// toast: a control that looks disabled and says why when it is tapped.
addEventListener("click", (event) => {
  const button = event.target.closest("[aria-disabled=true]");
  if (button && trap("toast")) App.refresh(MARKET[App.lang].why);
});
