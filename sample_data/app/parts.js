"use strict";
// The pieces that both apps are built from; each returns HTML.

function iconButton(name, label, act, arg = "", filled = false) {
  return `<button class="icon-button" data-act="${act}" data-arg="${esc(arg)}" aria-label="${esc(label)}">${icon(name, filled)}</button>`;
}

function bar(title, actions = "", lead = iconButton("back", T().back, "back")) {
  return `<header class="bar">${lead}<h1>${esc(title)}</h1>${actions}</header>`;
}

function page(head, body, foot = "") {
  return `${head}<main class="scroll" data-scroll="main" aria-label="">${body}</main>${foot}`;
}

function section(title, help = "") {
  return `<div class="section"><h2>${esc(title)}</h2>${help ? `<p class="caption">${esc(help)}</p>` : ""}</div>`;
}

function caption(text, extra = "") {
  return `<p class="caption alone ${extra}">${esc(text)}</p>`;
}

function emptyPage(iconName, text, help = "") {
  return `<div class="empty">${icon(iconName)}<p class="strong">${esc(text)}</p>${help ? `<p class="caption">${esc(help)}</p>` : ""}</div>`;
}

function fab(label, act) {
  return `<button class="fab" data-act="${act}" aria-label="${esc(label)}">${icon("plus")}</button>`;
}

/** A row with a switch: the title is a label wired to it, the help text is not. */
function toggleRow(id, title, help, checked, group) {
  return (
    `<div class="toggle-row"><div class="grow"><label for="${id}">${esc(title)}</label>` +
    `${help ? `<p class="caption">${esc(help)}</p>` : ""}</div>` +
    `<input type="checkbox" role="switch" id="${id}" data-change="${group}" data-arg="${id}" aria-label="${esc(title)}" ${checked ? "checked" : ""}></div>`
  );
}

function linkRow(iconName, title, help, path) {
  return (
    `<div class="row" role="link" data-act="go" data-arg="${path}" aria-label="${esc(title)}"><span class="badge plain">${icon(iconName)}</span>` +
    `<div class="grow"><p class="strong">${esc(title)}</p>${help ? `<p class="caption">${esc(help)}</p>` : ""}</div>` +
    `<span class="chevron">${icon("next")}</span></div>`
  );
}

function menuItem(iconName, title, act, arg = "") {
  return `<button class="menu-item" role="menuitem" data-act="${act}" data-arg="${esc(arg)}">${icon(iconName)}<span>${esc(title)}</span></button>`;
}

function sheet(title, help, body, label = title) {
  return (
    `<section class="sheet" role="dialog" aria-label="${esc(label)}"><div class="sheet-head"><h2>${esc(title)}</h2>` +
    `${help ? `<p class="caption">${esc(help)}</p>` : ""}</div>${body}</section>`
  );
}

function dialog(title, body, confirm, act, arg, needs = "") {
  return (
    `<section class="dialog" role="dialog" aria-label="${esc(title)}"><h2>${esc(title)}</h2>${body}<div class="buttons">` +
    `<button class="text-button" data-act="dismiss">${esc(T().cancel)}</button>` +
    `<button class="filled-button" data-act="${act}" data-arg="${esc(arg)}" ${needs ? `data-needs="${needs}" disabled` : ""}>${esc(confirm)}</button></div></section>`
  );
}

function field(name, placeholder, extra = "") {
  return `<input type="text" class="field" id="${name}" data-draft="${name}" placeholder="${esc(placeholder)}" autocomplete="off" spellcheck="false" ${extra}>`;
}

/** The search page of both apps: `find` returns the rows of a query as HTML pieces. */
function searchPage(placeholder, find) {
  const t = T();
  const asked = App.view.query;
  const head =
    `<header class="bar search-bar">${iconButton("back", t.back, "back")}` +
    `${field("q", placeholder, 'data-enter="search" data-autofocus="1"')}</header>`;
  if (!asked) {
    const words = RECENT_SEARCHES[App.name][App.lang].map(
      (w) => `<div class="row" role="listitem" data-act="recentSearch" data-arg="${esc(w)}" aria-label="${esc(w)}"><span class="badge plain">${icon("clock")}</span><p class="grow">${esc(w)}</p></div>`,
    );
    return page(head, caption(t.searchHelp) + section(t.recentSearches) + `<div class="list">${words.join("")}</div>`);
  }
  const rows = find(asked.toLowerCase());
  if (!rows.length) return page(head, emptyPage("search", t.noResults, t.noResultsHelp));
  return page(head, section(t.results(rows.length)) + `<div class="list">${rows.join("")}</div>`);
}
