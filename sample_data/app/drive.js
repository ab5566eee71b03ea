"use strict";
// The cloud drive: pages.

const inDrive = App.name === "drive";
const fileOf = (id) => App.state.files.find((f) => f.id === id);
const folderOf = (id) => App.state.folders.find((f) => f.id === id);
const alive = () => App.state.files.filter((f) => !f.trashed);
const megabytes = (size) => `${size.toFixed(1)} MB`;

function badge(file) {
  if (file.kind === "img") return `<span class="badge art">${picture(file.art)}</span>`;
  return `<span class="badge kind-${file.kind}">${icon(file.kind)}</span>`;
}

function fileRow(file, meta) {
  const star = file.starred ? `<span class="mini-star">${icon("star", true)}</span>` : "";
  return (
    `<div class="row" role="listitem" data-act="openFile" data-arg="${file.id}" aria-label="${esc(file.name)}">${badge(file)}` +
    `<div class="grow"><p class="strong">${esc(file.name)}</p><p class="caption">${esc(meta || `${file.date} · ${megabytes(file.size)}`)}</p></div>${star}` +
    `${iconButton("more", T().more(file.name), "fileMenu", file.id)}</div>`
  );
}

function fileList(files, meta = () => "") {
  return `<div class="list">${files.map((f) => fileRow(f, meta(f))).join("")}</div>`;
}

function navigation() {
  const t = T();
  const tabs = [["home", t.home, "/"], ["star", t.starred, "/starred"], ["people", t.shared, "/shared"], ["gear", t.settings, "/settings"]];
  const tab = ([name, label, path]) => {
    const here = App.view.path === path;
    return `<button class="tab ${here ? "here" : ""}" role="tab" data-act="tab" data-arg="${path}" aria-selected="${here}">${icon(name, here && name !== "gear")}<span>${esc(label)}</span></button>`;
  };
  return `<nav class="tabs" aria-label=""><p class="brand">${t.drive}</p>${tabs.map(tab).join("")}</nav>`;
}

function driveHome() {
  const t = T();
  const recent = ["work-0", "documents-0", "photos-1", "documents-1", "work-2", "recipes-0"].map(fileOf).filter((f) => !f.trashed);
  const head =
    `<header class="bar home-bar"><button class="pill" data-act="go" data-arg="/search">${icon("search")}<span>${t.searchDrive}</span></button>` +
    `<span class="avatar" aria-hidden="true">${App.lang === "zh" ? "韩" : "M"}</span></header>`;
  const storage =
    `<div class="storage"><p class="strong">${t.storage}</p><p>${t.storageUsed}</p>` +
    `<div class="meter" role="progressbar" aria-label="${t.storage}"><i></i></div><p class="caption">${t.storageHelp}</p></div>`;
  const cards = App.state.folders.map(
    (f, i) => `<div class="card folder tint-${i % 4}" role="button" data-act="openFolder" data-arg="${f.id}" aria-label="${esc(f.name)}">${icon("folder", true)}<p class="strong">${esc(f.name)}</p></div>`,
  );
  const body = storage + section(t.folders) + `<div class="grid">${cards.join("")}</div>` + section(t.recent, t.recentHelp) + fileList(recent);
  return page(head, body, fab(t.newItem, "newMenu") + navigation());
}

function folderPage(id) {
  const t = T();
  const files = alive().filter((f) => f.folder === id);
  const total = megabytes(files.reduce((sum, f) => sum + f.size, 0));
  const summary = `<div class="section summary"><p class="strong">${t.files(files.length)} · ${total}</p><p class="caption">${t.folderHelp}</p></div>`;
  const body = files.length ? summary + fileList(files) + caption(t.folderEnd, "end") : emptyPage("folder", t.empty);
  return page(bar(folderOf(id).name, iconButton("search", t.search, "go", "/search")), body, fab(t.newItem, "newMenu") + navigation());
}

function filePage(id) {
  const t = T();
  const file = fileOf(id);
  const shown = file.kind === "img" ? picture(file.art) : `<div class="paper">${"<i></i>".repeat(7)}</div>`;
  const facts = [[t.type, t.kinds[file.kind]], [t.size, megabytes(file.size)], [t.location, folderOf(file.folder).name], [t.modified, file.date], [t.owner, t.me]];
  if (file.sharedWith.length) facts.push([t.shared, file.sharedWith.join(", ")]);
  const star = iconButton("star", file.starred ? t.removeStar : t.addStar, "star", id, file.starred);
  const actions = star + iconButton("share", t.share, "share", id) + iconButton("more", t.more(file.name), "fileMenu", id);
  const rows = facts.map(([k, v]) => `<div class="fact"><p class="caption">${esc(k)}</p><p>${esc(v)}</p></div>`);
  const body = `<div class="preview kind-${file.kind}" role="img" aria-label="${esc(file.name)}">${shown}</div>` + section(t.details) + `<div class="facts">${rows.join("")}</div>`;
  return page(bar(file.name, actions), body);
}

function listPage(title, help, files, none, name, meta) {
  const body = files.length ? caption(help) + fileList(files, meta) : emptyPage(name, none, help);
  return page(bar(title, "", ""), body, navigation());
}

function settingsPage() {
  const t = T();
  const s = App.state.settings;
  const account =
    `<div class="account"><span class="avatar big" aria-hidden="true">${App.lang === "zh" ? "韩" : "M"}</span>` +
    `<div><p class="strong">${t.me}</p><p class="caption">${t.mail}</p></div></div>`;
  const body =
    account +
    section(t.uploads) + `<div class="list">${toggleRow("wifi", t.wifiOnly, t.wifiHelp, s.wifi, "setting")}${toggleRow("backup", t.backup, t.backupHelp, s.backup, "setting")}</div>` +
    section(t.appearance) + `<div class="list">${toggleRow("dark", t.dark, t.darkHelp, s.dark, "setting")}</div>` +
    section(t.general) + `<div class="list">${linkRow("bell", t.notifications, t.notificationsHelp, "/settings/notifications")}${linkRow("trash", t.trash, "", "/trash")}</div>` +
    caption(t.version, "end");
  return page(bar(t.settings, "", ""), body, navigation());
}

function notificationsPage() {
  const t = T();
  const rows = Object.entries(App.state.notify).map(([id, on]) => toggleRow(id, t[id], "", on, "notify"));
  return page(bar(t.notifications), caption(t.notificationsHelp) + `<div class="list">${rows.join("")}</div>` + caption(t.nFooter, "end"));
}

function trashPage() {
  const t = T();
  const files = App.state.files.filter((f) => f.trashed);
  return page(bar(t.trash), files.length ? caption(t.trashHelp) + fileList(files) : emptyPage("trash", t.trashEmpty, t.trashHelp));
}

function findFiles(word) {
  return alive().filter((f) => f.name.toLowerCase().includes(word)).map((f) => fileRow(f, `${folderOf(f.folder).name} · ${f.date}`));
}

if (inDrive) {
  App.pages.push(
    [/^\/$/, driveHome],
    [/^\/folder\/(.+)$/, folderPage],
    [/^\/file\/(.+)$/, filePage],
    [/^\/search$/, () => searchPage(T().searchDrive, findFiles)],
    [/^\/starred$/, () => listPage(T().starred, T().starredHelp, alive().filter((f) => f.starred), T().starredEmpty, "star")],
    [/^\/shared$/, () => listPage(T().shared, T().sharedHelp, alive().filter((f) => f.sharedWith.length), T().sharedEmpty, "people", (f) => f.sharedWith.join(", "))],
    [/^\/settings$/, settingsPage],
    [/^\/settings\/notifications$/, notificationsPage],
    [/^\/trash$/, trashPage],
  );
  Object.assign(App.on, {
    tab: (path) => path !== App.view.path && App.go({ path }),
    openFolder: (id) => App.go({ path: `/folder/${id}` }),
    openFile: (id) => App.go({ path: `/file/${id}` }),
    setting: (id, el) => { App.state.settings[id] = el.checked; App.refresh(); },
    notify: (id, el) => { App.state.notify[id] = el.checked; App.refresh(); },
  });
}
