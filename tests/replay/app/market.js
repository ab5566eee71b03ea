"use strict";
// A market: pages, built from the parts of the sample app. A page is a pure function of the state and of the view.

const W = MARKET[App.lang];
for (const lang of ["en", "zh"]) TEXT[lang].market = MARKET[lang].market;
const fill = (text, n) => text.replace("{n}", n);
const GOODS = W.goods.map(([name, seller, price, weight], i) => ({ id: String(i), name, seller, price, weight }));
const goodOf = (id) => GOODS[Number(id)];

App.start = () => {
  document.documentElement.lang = App.lang === "zh" ? "zh-CN" : "en";
  document.title = [W.market, ...TRAPS].join(" · ");
  App.state = {
    settings: { dark: false }, sold: true, asked: false, accept: false, basket: [], star: [], visits: 1, views: {}, visited: [], chosen: "",
    pages: 1, updated: false, seen: false, playing: false, notice: false, harm: [],
  };
  App.view = { path: "/" };
  history.replaceState(App.view, "", "#/");
  App.opened("/");
  App.render();
};

/** A page was opened (not come back to). */
App.opened = (path) => {
  App.state.views[path] = (App.state.views[path] || 0) + 1;
  if (!App.state.visited.includes(path)) App.state.visited.push(path);
};

function shell(head, body, foot = "") {
  const status = trap("clock") ? `<div class="status-bar" role="banner"><p id="clock" role="time" data-dynamic>${App.time()}</p></div>` : "";
  const notice = App.state.notice ? `<p class="notice caption">${esc(W.answered)}</p>` : "";
  return page(status + head + notice, body, foot);
}

const text = (key, extra = "") => `<p class="${extra}">${esc(W[key])}</p>`;
const wired = (id, words) => (trap("label_for") ? `<label for="${id}" class="strong">${esc(words)}</label>` : `<p class="strong">${esc(words)}</p>`);

function tabBar() {
  const tabs = [["today", "/"], ["offers", "/offers"], ["news", "/news"], ["letters", "/letters"]];
  const tab = ([key, path]) => {
    const here = App.view.path === path;
    const badge = key === "offers" && trap("badge") && !App.state.visited.includes(path) ? `<i class="dot"></i>` : "";
    return `<button class="tab ${here ? "here" : ""}" role="tab" data-act="tab" data-arg="${path}" aria-selected="${here}">${esc(W[key])}${badge}</button>`;
  };
  return `<nav class="pager" aria-label="">${tabs.map(tab).join("")}</nav>`;
}

function head() {
  const sell = trap("overlap") ? "" : iconButton("plus", W.sell, "go", "/sell");
  return bar(W.market, sell + iconButton("search", W.search, "go", "/search") + iconButton("gear", W.settings, "go", "/settings"), "") + tabBar();
}

function goodRow(good, more = true) {
  const dot = trap("seen") && !App.state.seen ? `<i class="dot"></i>` : "";
  return (
    `<div class="row" role="listitem" data-act="go" data-arg="/item/${good.id}" aria-label="${esc(good.name)}"><span class="badge art">${picture(Number(good.id))}</span>` +
    `<div class="grow"><p class="strong">${esc(good.name)}</p><p class="caption">${esc(good.seller)} · ${good.price}</p></div>${dot}` +
    `${more ? iconButton("more", fill(W.more, good.name), "go", `/options/${good.id}`) : ""}</div>`
  );
}

const goodList = (goods, more) => `<div class="list">${goods.map((good) => goodRow(good, more)).join("")}</div>`;

const visits = () => (trap("visits") ? caption(fill(W.visits, App.state.visits)) : "");

function today() {
  const more = Array.from({ length: App.state.pages - 1 }, (_, i) => caption(fill(W.loaded, i + 2), "end") + goodList(GOODS.slice(0, 4)));
  const body =
    (App.state.updated ? caption(W.updated, "end") : "") + section(W.fresh, W.freshHelp) + goodList(GOODS) +
    caption(fill(W.visits, trap("visits") ? App.state.visits : 1), "end") + more.join("") + caption(W.end, "end last");
  return shell(head(), visits() + body, trap("overlap") ? fab(W.sell, "sell") : "");
}

const offers = () => shell(head(), section(W.cheap, W.cheapHelp) + goodList(GOODS.slice(3, 6)) + caption(W.end, "end"));

function letters() {
  const hold = trap("release") ? "" : 'data-long="letterMenu"';
  const row = ([from, words], i) =>
    `<div class="row" role="listitem" data-act="go" data-arg="/letter/${i}" ${hold} aria-label="${esc(words)}"><span class="avatar tone-${i % 4}" aria-hidden="true">${esc(from[0])}</span>` +
    `<div class="grow"><p class="strong">${esc(from)}</p><p class="caption">${esc(words)}</p></div></div>`;
  return shell(head(), visits() + section(W.letters, W.letterHelp) + `<div class="list">${W.notes.map(row).join("")}</div>`);
}

function letter(id) {
  const [from, words] = W.notes[Number(id)];
  return shell(bar(from), section(words, fill(W.viewed, 1)) + `<div class="buttons wide"><button class="filled-button" data-act="go" data-arg="/settings">${esc(W.mute)}</button></div>`);
}

function news() {
  const controls = App.state.playing ? `<p class="caption">${esc(W.playing)}</p>` : "";
  const player = `<div class="preview player" role="video" data-canvas ${trap("canvas") ? "data-dynamic" : ""} aria-label="">${text("watch", "strong")}${text("watchHelp", "caption")}${controls}</div>`;
  return shell(head(), player + section(W.article, W.articleText) + `<div class="list">${linkRow("doc", W.questions, "", "/questions")}</div>`);
}

function item(id) {
  const good = goodOf(id);
  if (App.loading) return shell(bar("", iconButton("search", W.search, "go", "/search")), `<div class="empty"><p class="strong" role="progressbar" aria-label="${esc(W.loading)}"></p>${text("loading", "caption")}</div>`);
  const inside = App.state.basket.includes(id);
  const seen = trap("views") ? App.state.views[`/item/${id}`] : 41;
  const facts = [[W.price, good.price], [W.weight, good.weight], [W.seller, good.seller]];
  const rows = facts.map(([k, v]) => `<div class="fact"><p class="caption">${esc(k)}</p><p>${esc(v)}</p></div>`);
  const stars = iconButton("star", fill(W.star, good.name), "star", id, App.state.star.includes(id));
  const body =
    section(W.details, fill(W.viewed, seen)) + `<div class="facts">${rows.join("")}</div>` +
    `<div class="buttons wide tight"><p class="caption">${esc(W.optionsHelp)}</p><button class="filled-button" data-act="basket" data-arg="${id}">${esc(inside ? W.inBasket : W.basket)}</button></div>` +
    `<div class="list spaced">${linkRow("people", W.aboutSeller, "", `/seller/${good.seller}`)}${linkRow("info", W.questions, "", "/questions")}${linkRow("share", W.options, "", `/options/${id}`)}</div>`;
  return shell(bar(good.name, stars), body);
}

function seller(name) {
  return shell(bar(decodeURIComponent(name)), section(W.aboutSeller, W.sellerHelp) + goodList(GOODS.filter((g) => g.seller === name), false) + caption(W.allGoods, "end"));
}

function questions() {
  const answers = `<div class="facts">${text("answerA", "fact")}${text("answerB", "fact")}</div>`;
  const boxed = `<div class="nested" data-scroll="inner">${answers}${answers}<p class="space"></p>${answers}</div>`;
  return shell(bar(W.questions), section(W.questionsHelp) + (trap("nested") ? boxed : answers) + caption(W.end, "end"));
}

function optionRows(id) {
  const choice = (key) => `<button class="menu-item" role="menuitem" data-act="choose" data-arg="${key}">${icon("check")}<span>${esc(W[key])}</span></button>`;
  return `<div class="menu">${choice("pickup")}${choice("delivery")}</div>`;
}

const confirm = () => `<div class="buttons wide"><button class="filled-button" data-act="go" data-arg="/preview" ${App.state.chosen ? "" : "disabled"}>${esc(W.confirm)}</button></div>`;
const options = (id) => shell(bar(W.options), section(goodOf(id).name, W.optionsHelp) + optionRows(id) + caption(fill(W.chosen, App.state.chosen || "–"), "end") + confirm());

function find() {
  const asked = (App.view.query || "").toLowerCase();
  const field_ = field("q", W.searchGoods, `data-enter="search" ${trap("autofocus") ? 'data-autofocus="1"' : ""}`);
  const top = `<header class="bar search-bar">${iconButton("back", T().back, "back")}${field_}</header>`;
  const goods = asked ? GOODS.filter((g) => `${g.name} ${g.seller}`.toLowerCase().includes(asked)) : [];
  return shell(top, asked ? section(fill(W.found, goods.length)) + goodList(goods, false) : section(W.searchGoods, W.searchHelp) + caption(W.end, "end"));
}

function sell() {
  const line = (id, key, more = "") => `<div class="line">${wired(id, W[key])}${field(id, W[key === "nameLabel" ? "name" : "priceLabel"], more)}</div>`;
  const body = section(W.sell, W.formHelp) + line("title", "nameLabel", trap("autofocus") ? 'data-autofocus="1"' : "") + line("cost", "priceLabel") + `<div class="list spaced">${linkRow("doc", W.rules, "", "/rules")}</div>`;
  return shell(bar(W.sell), body);
}

function rules() {
  const closed = App.state.accept ? "" : trap("toast") ? 'aria-disabled="true" data-notifies' : "disabled";
  const box = `<div class="line tick-line">${wired("accept", W.acceptRules)}<input type="checkbox" id="accept" data-change="set" data-arg="accept" aria-label="${esc(W.acceptRules)}" ${App.state.accept ? "checked" : ""}></div>`;
  const body = section(W.rules, W.rulesHelp) + box + `<div class="buttons wide"><button class="filled-button" data-act="preview" ${closed}>${esc(W.preview)}</button></div>` + caption(W.version, "end");
  return shell(bar(W.rules), body);
}

const preview = () => shell(bar(W.preview), section(W.previewTitle, W.previewHelp) + caption(W.end, "end"));

function settings() {
  const line = (id, title) => `<div class="line tick-line">${wired(id, title)}<input type="checkbox" role="switch" id="${id}" data-change="set" data-arg="${id}" aria-label="${esc(title)}" ${App.state[id] ? "checked" : ""}></div>`;
  const wipe = trap("danger") ? section(W.danger, W.dangerHelp) + `<div class="list">${linkRow("trash", W.wipe, "", "/wiped")}</div>` : "";
  const body = section(W.hints, W.hintsHelp) + line("sold", W.hintSold) + line("asked", W.hintAsked) + wipe + section(W.about, W.version) + `<div class="list">${linkRow("info", W.about, "", "/about")}</div>`;
  return shell(bar(W.settings), body);
}

const about = () => shell(bar(W.about), section(W.version, W.aboutText) + `<div class="list">${linkRow("doc", W.rules, "", "/rules")}</div>`);

function wiped() {
  if (App.state.views["/wiped"]) App.state.harm = ["letters"];
  return shell(bar(W.letters), section(W.wiped, W.dangerHelp));
}

App.pages.push(
  [/^\/$/, today], [/^\/offers$/, offers], [/^\/news$/, news], [/^\/letters$/, letters], [/^\/letter\/(.+)$/, letter], [/^\/item\/(.+)$/, item],
  [/^\/seller\/(.+)$/, seller], [/^\/questions$/, questions], [/^\/options\/(.+)$/, options], [/^\/search$/, find], [/^\/sell$/, sell],
  [/^\/rules$/, rules], [/^\/preview$/, preview], [/^\/settings$/, settings], [/^\/about$/, about], [/^\/wiped$/, wiped],
);
App.overlays.letterMenu = ({ id }) => sheet(W.notes[Number(id)][1], W.letterHelp, `<div class="menu">${menuItem("folder", W.archive, "dismiss")}${menuItem("bell", W.mute, "dismiss")}</div>`);
App.overlays.options = ({ id }) => sheet(W.options, W.optionsHelp, optionRows(id));
App.overlays.rate = () => dialog(W.rate, `<p class="caption">${esc(W.rateHelp)}</p>`, W.later, "later", "");
Object.assign(App.on, {
  go: (path) => {
    const at = path.match(/^\/options\/(.+)$/);
    if (at && trap("dialog")) App.open("options", { id: at[1] });
    else App.go({ path });
  },
  tab: (path) => path !== App.view.path && App.go({ path }, true),
  sell: () => App.go({ path: "/sell" }),
  preview: () => App.state.accept && App.go({ path: "/preview" }),
  set: (id, el) => { App.state[id] = el.checked; App.refresh(); },
  star: (id) => { App.state.star = App.state.star.includes(id) ? [] : [id]; App.refresh(); },
  basket: (id) => { App.state.basket.push(id); App.refresh(W.added); },
  choose: (key) => { App.state.chosen = W[key]; if (App.view.overlay) App.back(1, fill(W.chosen, W[key])); else App.refresh(); },
  letterMenu: (path) => App.open("letterMenu", { id: path.split("/").pop() }),
  later: () => { App.state.notice = trap("notice"); App.back(1); },
});
