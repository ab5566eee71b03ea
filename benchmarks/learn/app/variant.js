"use strict";
// What differs from the app of sample_data: fewer files with short names, a page to start from, and layouts.

const LAYOUT = (query.get("layout") || "").split(",").filter(Boolean);

const named = (names, ending, size, date) => names.map((name) => [`${name}.${ending}`, size, date]);

FILES.en = {
  documents: ["Documents", "doc", named(["Alpha", "Notes", "Beta", "Draft"], "pdf", 0.4, "Mar 11")],
  photos: ["Photos", "img", named(["Gamma", "Lake", "Delta", "Roof"], "jpg", 3.8, "Mar 9")],
  work: ["Work", "sheet", named(["Kappa", "Costs", "Sigma", "Plan"], "xlsx", 0.6, "Mar 12")],
  recipes: ["Recipes", "doc", named(["Soup", "Bread", "Cake", "Tea"], "docx", 0.3, "Mar 4")],
};
PEOPLE.en = ["Anna", "Ben", "Clara"];

/** The first page; its button leads to the home page. */
function welcomePage() {
  return `<div class="welcome">${icon("folder", true)}<h1>${T().drive}</h1><button class="filled-button" data-act="go" data-arg="/">Start</button></div>`;
}

const withTabs = navigation;

/** The bar with buttons for tabs: a tab has a state, and `gdp augment-errors` injects no tap on what it may switch. */
navigation = () => withTabs().replaceAll(' role="tab"', "").replace(/ aria-selected="\w+"/g, "");

/** A page in its folder's colour: at this size a name can hardly be read. */
const coloured = (folder, html) => `<div class="coloured in-${folder}">${html}</div>`;

/** A file's page; a later file has a longer text on dark paper. */
function longerPage(id) {
  const { folder, art } = fileOf(id);
  const line = "<i></i>";
  const html = filePage(id).replace(line.repeat(7), line.repeat(1 + 3 * art));
  return coloured(folder, art ? html.replace('class="preview', 'class="later preview') : html);
}

App.pages.unshift(
  [/^\/welcome$/, welcomePage],
  [/^\/folder\/(.+)$/, (id) => coloured(id, folderPage(id))],
  [/^\/file\/(.+)$/, longerPage],
);

/** Everything that an agent can change, to be compared with what was asked for. */
App.result = () => ({
  files: App.state.files.filter((f) => f.starred || f.trashed || f.sharedWith.length)
    .map((f) => [f.folder, f.name, f.starred, f.trashed, f.sharedWith, f.canEdit]),
  names: App.state.files.map((f) => f.name), folders: App.state.folders.map((f) => f.name),
  settings: { ...App.state.settings, ...App.state.notify },
});

/** Where the agent is, as `oracle.py` reads it. */
App.facts = () => ({
  path: App.view.path, overlay: App.view.overlay ? App.view.overlay.kind : null,
  result: App.result(),
});

const startApp = App.start;
App.start = () => {
  document.documentElement.classList.add(...LAYOUT.filter((name) => name !== "dark"));
  startApp();
  for (const file of App.state.files) Object.assign(file, { starred: false, sharedWith: [] });
  App.state.settings.dark = LAYOUT.includes("dark");
  App.view = { path: "/welcome" };
  history.replaceState(App.view, "", "#/welcome");
  App.render();
};
