"use strict";
// The cloud drive: sheets and dialogs, and what they do.

function fileMenu({ id }) {
  const t = T();
  const file = fileOf(id);
  const items =
    menuItem("share", t.share, "share", id) +
    menuItem("rename", t.rename, "rename", id) +
    menuItem("star", file.starred ? t.removeStar : t.addStar, "star", id) +
    menuItem("trash", t.trashIt, "trash", id);
  return sheet(file.name, `${t.kinds[file.kind]} · ${megabytes(file.size)}`, `<div class="menu">${items}</div>`);
}

function newMenu() {
  const t = T();
  return sheet(t.newItem, "", `<div class="menu">${menuItem("folder", t.newFolder, "create", "folder")}${menuItem("doc", t.newFile, "create", "file")}</div>`);
}

function createDialog({ what }) {
  const t = T();
  const folder = what === "folder";
  const body = `<p class="caption">${folder ? t.newFolderHelp : t.newFileHelp}</p>` + field("name", folder ? t.folderName : t.fileName);
  return dialog(folder ? t.newFolder : t.newFile, body, t.create, "doCreate", what, "name");
}

function renameDialog({ id }) {
  const t = T();
  const { name } = fileOf(id);
  const body = `<p>${esc(t.currentName(name))}</p>${field("name", t.newName)}<p class="caption">${t.renameHelp("." + name.split(".").pop())}</p>`;
  return dialog(t.renameTitle, body, t.rename, "doRename", id, "name");
}

function trashDialog({ id }) {
  return dialog(T().trashTitle, `<p>${esc(fileOf(id).name)}</p><p class="caption">${T().trashHelp}</p>`, T().trashIt, "doTrash", id);
}

function shareSheet({ id, chosen = [], edit = false }) {
  const t = T();
  const people = PEOPLE[App.lang].map((name, i) => {
    const on = chosen.includes(name);
    return (
      `<div class="row person" role="checkbox" aria-checked="${on}" data-act="choose" data-arg="${esc(name)}" aria-label="${esc(name)}">` +
      `<span class="avatar tone-${i % 4}" aria-hidden="true">${name[0]}</span><p class="grow">${esc(name)}</p><span class="tick ${on ? "on" : ""}" aria-hidden="true">${on ? icon("check") : ""}</span></div>`
    );
  });
  const body =
    `<div class="people" data-scroll="people" aria-label="">${people.join("")}</div>${toggleRow("edit", t.canEdit, "", edit, "shareEdit")}` +
    `<div class="buttons"><button class="text-button" data-act="dismiss">${t.cancel}</button>` +
    `<button class="filled-button" data-act="doShare" data-arg="${id}" ${chosen.length ? "" : "disabled"}>${t.send}</button></div>`;
  return sheet(fileOf(id).name, t.sharePeople, body, t.shareTitle);
}

function choose(name) {
  const overlay = App.view.overlay;
  const chosen = overlay.chosen || [];
  overlay.chosen = chosen.includes(name) ? chosen.filter((n) => n !== name) : [...chosen, name];
  App.refresh();
}

function doCreate(what) {
  const name = App.draft("name").trim();
  if (what === "folder") App.state.folders.push({ id: `new-${App.state.folders.length}`, name });
  else App.state.files.unshift({ id: `file-${App.state.files.length}`, folder: "documents", name: `${name}.txt`, kind: "doc", size: 0, date: T().today, art: 0, starred: false, trashed: false, sharedWith: [] });
  App.back(1, T().created(name));
}

function doRename(id) {
  const file = fileOf(id);
  file.name = `${App.draft("name").trim()}.${file.name.split(".").pop()}`;
  App.back(1, T().renamed(file.name));
}

function doTrash(id) {
  fileOf(id).trashed = true;
  App.back(App.view.path === `/file/${id}` ? 2 : 1, T().trashed);
}

function doShare(id) {
  const { chosen, edit } = App.view.overlay;
  Object.assign(fileOf(id), { sharedWith: [...new Set([...fileOf(id).sharedWith, ...chosen])], canEdit: Boolean(edit) });
  App.back(1, T().sharedWith(chosen.join(", ")));
}

function star(id) {
  const file = fileOf(id);
  file.starred = !file.starred;
  const snack = file.starred ? T().starAdded : T().starRemoved;
  if (App.view.overlay) App.back(1, snack);
  else App.refresh(snack);
}

if (inDrive) {
  Object.assign(App.overlays, { fileMenu, newMenu, create: createDialog, rename: renameDialog, trash: trashDialog, share: shareSheet });
  Object.assign(App.on, {
    choose, doCreate, doRename, doTrash, doShare, star,
    fileMenu: (id) => App.open("fileMenu", { id }),
    newMenu: () => App.open("newMenu"),
    create: (what) => App.open("create", { what }),
    rename: (id) => App.open("rename", { id }),
    trash: (id) => App.open("trash", { id }),
    share: (id) => App.open("share", { id }),
    shareEdit: (_, el) => { App.view.overlay.edit = el.checked; App.refresh(); },
  });
}
