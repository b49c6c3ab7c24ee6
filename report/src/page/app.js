// Tabs, keys and the whole page.

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.runs.map((run) => new Run(run));
const tabs = [];
let current = null;

// A tab is built when it is first shown.
function addTab(id, title, build) {
  const panel = document.getElementById("tab-" + id) || h("section", {id: "tab-" + id, role: "tabpanel", "aria-labelledby": "to-" + id, hidden: true});
  const button = h("button", {id: "to-" + id, role: "tab", "aria-selected": "false", "aria-controls": panel.id, onclick: () => go(id)}, title);
  document.getElementById("tabs").append(button);
  if (!panel.parentElement) document.querySelector("main").append(panel);
  tabs.push({id, panel, button, build, content: null});
}

function open(tab) {
  if (tab.content === null) {
    tab.content = tab.build ? tab.build() : {};
    if (tab.content.root) tab.panel.append(tab.content.root);
  }
  for (const other of tabs) {
    other.panel.hidden = other !== tab;
    other.button.setAttribute("aria-selected", String(other === tab));
  }
  current = tab;
  tab.content.shown?.();
}

function go(id, rest) {
  const hash = "#" + id + (rest === undefined ? "" : "/" + rest);
  if (location.hash === hash) follow();
  else location.hash = hash;
}

// Shows what the address names: a tab, and in it a function or an event.
function follow() {
  const [id, rest] = decodeURIComponent(location.hash.slice(1)).split("/");
  const tab = tabs.find((tab) => tab.id === id) || tabs[0];
  if (!tab) return;
  open(tab);
  if (rest !== undefined) tab.content.show?.(Number(rest));
}

function timelineTab(run) {
  const details = inspector(run);
  const line = timeline(run, (i) => details.show(i));
  const help = h("p", {class: "hint keys"},
    "Drag or ", h("kbd", {}, "PgUp"), h("kbd", {}, "PgDn"), " to move, wheel or ", h("kbd", {}, "↑"), h("kbd", {}, "↓"),
    " to zoom, ", h("kbd", {}, "←"), h("kbd", {}, "→"), " for the decision before and after, ", h("kbd", {}, "0"), " for all.");
  const first = run.decisions.find((i) => run.requests(i)) ?? run.decisions[0];
  if (first !== undefined) line.select(first);
  return {
    root: h("div", {}, help, timelineLegend(run), line.root, details.root),
    show: (i) => line.select(i),
    shown: () => line.view.element.focus({preventScroll: true}),
    line,
  };
}

function timelineLegend(run) {
  return h("p", {class: "hint legend"}, run.levels.map((_, level) => levelChip(run, level)),
    h("span", {class: "chip"}, swatch("faint"), "decision to wait"), h("span", {class: "chip"}, swatch("accent"), "decision with a request"));
}

function functionsOf(run) {
  const tab = functionsTab(run, (i) => go("timeline", i));
  return {root: tab.root, show: (func) => tab.show(func), shown: () => tab.table.draw(), tab};
}

function build() {
  const [run] = runs;
  if (run) {
    addTab("overview", "Overview", () => overviewTab(run));
    addTab("timeline", "Timeline", () => timelineTab(run));
    addTab("functions", "Functions", () => functionsOf(run));
    addTab("residency", "Residency", () => residencyTab(run));
  }
  if (runs.length > 1) addTab("compare", "Comparison", () => compareTab(runs, data.comparison));
  for (const panel of document.querySelectorAll("section.static")) addTab(panel.id.slice(4), panel.dataset.title, null);
  window.addEventListener("hashchange", follow);
  document.getElementById("theme").addEventListener("click", toggleTheme);
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing) event.target.blur();
    if (typing) return;
    if (event.key >= "1" && event.key <= "9") {
      const tab = tabs[Number(event.key) - 1];
      if (tab) go(tab.id);
    } else if (event.key === "/" && current?.content.tab) {
      event.preventDefault();
      current.content.tab.table.search.focus();
    } else if (event.key === "t") {
      toggleTheme();
    } else if (current?.content.line && event.target === document.body) {
      current.content.line.view.element.dispatchEvent(new KeyboardEvent("keydown", {key: event.key}));
    }
  });
  document.getElementById("tabs").addEventListener("keydown", (event) => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    const place = tabs.indexOf(current) + by;
    if (by && tabs[place]) {
      event.preventDefault();
      go(tabs[place].id);
      tabs[place].button.focus();
    }
  });
  follow();
  document.documentElement.dataset.ready = "yes";
}

const asked = new URLSearchParams(location.search);
if (asked.has("theme")) document.documentElement.dataset.theme = asked.get("theme");
build();
if (asked.has("test")) selfTest();
