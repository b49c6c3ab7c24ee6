// The page's own test, run by opening it with `?test`: goes through every tab as a reader would, and
// leaves what it found as JSON in an element that a headless browser prints.

function selfTest() {
  const results = {tabs: tabs.map((tab) => tab.id), failures: [], figures: {}};
  const check = (what, holds) => {
    if (!holds) results.failures.push(what);
  };
  const press = (element, key) => element.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const timed = (name, act) => {
    const before = performance.now();
    act();
    results.figures[name] = performance.now() - before;
  };
  try {
    for (const tab of tabs) {
      timed(tab.id, () => open(tab));
      check(`${tab.id} is shown`, !tab.panel.hidden && tab.panel.textContent.trim().length > 20);
    }
    const find = (id) => tabs.find((tab) => tab.id === id);
    const [run] = runs;
    if (run) {
      testTimeline(run, find("timeline"), check, press, timed);
      testFunctions(run, find("functions"), check, press, timed);
    }
    if (runs.length > 1) {
      results.figures.different = data.comparison.different;
      open(find("compare"));
      check("the first differing decision is described",
        data.comparison.different === 0 || find("compare").panel.querySelectorAll(".pair .sentence, .pair .hint").length > 0);
    }
    const ink = () => getComputedStyle(document.body).color;
    const before = ink();
    toggleTheme();
    check("the button changes colours", ink() !== before);
    toggleTheme();
    check("the button changes them back", ink() === before);
    check("nothing is not a number", !/NaN|undefined|\[object/.test(document.querySelector("main").textContent));
  } catch (error) {
    results.failures.push(String(error.stack || error));
  }
  document.body.append(h("pre", {id: "selftest"}, JSON.stringify(results)));
}

function testTimeline(run, tab, check, press, timed) {
  open(tab);
  const {line} = tab.content;
  if (run.decisions.length === 0) return;
  line.select(run.decisions[0]);
  check("the first decision is described", tab.panel.querySelector(".inspector .sentence") !== null);
  press(line.view.element, "ArrowRight");
  const second = run.decisions[Math.min(1, run.decisions.length - 1)];
  check("the right arrow goes to the next decision", line.state.selected === second);
  press(line.view.element, "ArrowUp");
  check("the up arrow zooms", line.state.to - line.state.from < run.end);
  timed("timeline drawn", () => line.view.draw());
  press(line.view.element, "0");
  check("0 shows all", line.state.to - line.state.from === run.end);
  timed("whole timeline drawn", () => line.view.draw());
  const pixels = line.view.context.getImageData(0, 0, line.view.element.width, line.view.element.height).data;
  check("the canvas is not empty", pixels.some((channel) => channel !== 0));
}

function testFunctions(run, tab, check, press, timed) {
  open(tab);
  const {table} = tab.content.tab;
  check("all functions are rows", table.state.rows.length === run.count);
  const rows = () => table.body.querySelectorAll(".row").length;
  check("few rows are elements", rows() < 200);
  timed("function table scrolled", () => {
    table.body.scrollTop = 1e9;
    table.draw();
  });
  check("few rows are elements after scrolling", rows() < 200);
  press(table.body, "Home");
  check("a key chooses a row, and its history is shown", tab.panel.querySelector(".detail .history") !== null);
  timed("function table sorted", () => table.update());
  table.search.value = "no function has this name";
  table.search.dispatchEvent(new Event("input"));
  check("the filter hides rows", table.state.rows.length === 0);
  table.search.value = "";
  table.search.dispatchEvent(new Event("input"));
  check("an empty filter shows all", table.state.rows.length === run.count);
}
