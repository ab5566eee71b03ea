"use strict";
// The notes app.

const noteOf = (id) => App.state.notes.find((n) => n.id === id);
const livingNotes = () => App.state.notes.filter((n) => !n.trashed);

function noteCard(note) {
  const t = T();
  const compact = App.state.settings.compact;
  const done = note.items.filter((i) => i.done).length;
  const text = note.items.length ? t.doneOf(done, note.items.length) : note.body;
  return (
    `<div class="card note label-${note.label}" role="button" data-act="openNote" data-arg="${note.id}" aria-label="${esc(note.title)}">` +
    `<p class="strong">${esc(note.title)}</p>${compact ? "" : `<p class="excerpt">${esc(text)}</p>`}` +
    `<p class="caption">${LABELS[App.lang][note.label]} · ${note.date}</p></div>`
  );
}

function noteGroup(title, help, notes) {
  return notes.length ? section(title, help) + `<div class="grid notes-grid">${notes.map(noteCard).join("")}</div>` : "";
}

function chips(names, chosen, act) {
  const chip = ([value, name]) => `<button class="chip ${value === chosen ? "here" : ""}" role="radio" aria-checked="${value === chosen}" data-act="${act}" data-arg="${value}">${esc(name)}</button>`;
  return `<div class="chips">${names.map(chip).join("")}</div>`;
}

const labelChoices = () => LABELS[App.lang].map((name, i) => [String(i), name]);

function notesHome(label = "all") {
  const t = T();
  const notes = livingNotes().filter((n) => label === "all" || String(n.label) === label);
  const actions = iconButton("search", t.search, "go", "/search") + iconButton("gear", t.settings, "go", "/settings");
  const body =
    chips([["all", t.allNotes], ...labelChoices()], label, "filter") +
    noteGroup(t.pinned, t.pinnedHelp, notes.filter((n) => n.pinned)) +
    noteGroup(t.others, t.othersHelp, notes.filter((n) => !n.pinned)) +
    (App.state.settings.count ? caption(t.notesCount(notes.length), "end") : "") + caption(t.synced, "end last");
  return page(bar(t.notes, actions, ""), body, fab(t.newNote, "newNote"));
}

function notePage(id) {
  const t = T();
  const note = noteOf(id);
  const actions = iconButton("pin", note.pinned ? t.unpin : t.pin, "pin", id, note.pinned) + iconButton("trash", t.deleteNote, "deleteNote", id);
  const items = note.items.map(
    (item, i) =>
      `<div class="item"><input type="checkbox" id="item-${i}" data-change="tick" data-arg="${i}" aria-label="${esc(item.text)}" ${item.done ? "checked" : ""}>` +
      `<label for="item-${i}" class="${item.done ? "done" : ""}">${esc(item.text)}</label></div>`,
  );
  const body =
    `<article class="paper-note"><h2 class="note-title">${esc(note.title)}</h2><p class="caption">${LABELS[App.lang][note.label]} · ${esc(t.edited(note.date))}</p>` +
    `${note.body ? `<p class="body">${esc(note.body)}</p>` : ""}<div class="items">${items.join("")}</div></article>`;
  return page(bar("", actions), body);
}

function editorPage() {
  const t = T();
  const label = App.view.label || "0";
  const save = `<button class="filled-button" data-act="saveNote" data-needs="title" disabled>${t.save}</button>`;
  const body =
    `<div class="editor">${field("title", t.title)}<textarea class="field" id="body" data-draft="body" placeholder="${t.body}" spellcheck="false"></textarea></div>` +
    section(t.labelPick) + chips(labelChoices(), label, "pickLabel") + caption(t.editorHelp, "end");
  return page(bar(t.newNote, save), body);
}

function notesSettings() {
  const t = T();
  const s = App.state.settings;
  const toggle = (id, title, help) => toggleRow(id, title, help, s[id], "setting");
  const body =
    section(t.list) + `<div class="list">${toggle("compact", t.compact, t.compactHelp)}${toggle("count", t.showCount, t.showCountHelp)}</div>` +
    section(t.appearance) + `<div class="list">${toggle("dark", t.dark, t.darkHelp)}</div>` +
    section(t.sync) + `<div class="list">${toggle("sync", t.autoSync, t.autoSyncHelp)}</div>` +
    section(t.general) + `<div class="list">${linkRow("trash", t.trash, "", "/trash")}</div>` + caption(t.version, "end");
  return page(bar(t.settings), body);
}

function noteTrash() {
  const t = T();
  const gone = App.state.notes.filter((n) => n.trashed);
  const row = (n) =>
    `<div class="row"><span class="badge plain">${icon("doc")}</span><div class="grow"><p class="strong">${esc(n.title)}</p>` +
    `<p class="caption">${n.date}</p></div><button class="text-button" data-act="restore" data-arg="${n.id}">${t.restore}</button></div>`;
  return page(bar(t.trash), gone.length ? `<div class="list spaced">${gone.map(row).join("")}</div>` : emptyPage("trash", t.trashEmpty));
}

function findNotes(word) {
  const hit = (n) => [n.title, n.body, ...n.items.map((i) => i.text)].join(" ").toLowerCase().includes(word);
  return livingNotes().filter(hit).map((n) =>
    `<div class="row" role="listitem" data-act="openNote" data-arg="${n.id}" aria-label="${esc(n.title)}"><span class="badge plain">${icon("doc")}</span>` +
    `<div class="grow"><p class="strong">${esc(n.title)}</p><p class="caption">${LABELS[App.lang][n.label]} · ${n.date}</p></div></div>`);
}

function saveNote() {
  const date = new Date().toLocaleDateString(App.lang === "zh" ? "zh-CN" : "en-US", { month: "short", day: "numeric", timeZone: "UTC" });
  const note = { id: `new-${App.state.notes.length}`, title: App.draft("title").trim(), label: Number(App.view.label || 0), date, body: (App.draft("body") || "").trim(), items: [], pinned: false, trashed: false };
  App.state.notes.unshift(note);
  App.back(1, T().saved);
}

if (App.name === "notes") {
  App.pages.push(
    [/^\/$/, () => notesHome()],
    [/^\/label\/(.+)$/, notesHome],
    [/^\/note\/(.+)$/, notePage],
    [/^\/new$/, editorPage],
    [/^\/search$/, () => searchPage(T().searchNotes, findNotes)],
    [/^\/settings$/, notesSettings],
    [/^\/trash$/, noteTrash],
  );
  App.overlays.deleteNote = ({ id }) => dialog(T().deleteTitle, `<p>${esc(noteOf(id).title)}</p><p class="caption">${T().deleteHelp}</p>`, T().del, "doDelete", id);
  Object.assign(App.on, {
    saveNote,
    filter: (label) => App.go({ path: label === "all" ? "/" : `/label/${label}` }, true),
    openNote: (id) => App.go({ path: `/note/${id}` }),
    newNote: () => App.go({ path: "/new" }),
    pickLabel: (label) => { App.view.label = label; App.refresh(); },
    pin: (id) => { noteOf(id).pinned = !noteOf(id).pinned; App.refresh(); },
    tick: (i, el) => { noteOf(App.view.path.split("/").pop()).items[i].done = el.checked; App.refresh(); },
    setting: (id, el) => { App.state.settings[id] = el.checked; App.refresh(); },
    deleteNote: (id) => App.open("deleteNote", { id }),
    doDelete: (id) => { noteOf(id).trashed = true; App.back(2, T().deleted); },
    restore: (id) => { noteOf(id).trashed = false; App.refresh(T().restored); },
  });
}
