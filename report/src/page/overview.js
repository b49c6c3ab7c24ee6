// The overview: the run's figures, the totals of each level, and where the work was.

function overviewTab(run) {
  const optimized = run.finalLevel.reduce((sum, level) => sum + (level > 0), 0);
  const called = run.finalLevel.reduce((sum, level) => sum + (level >= 0), 0);
  const cards = [
    [time(run.end), "from the log's start to its last event"],
    [`${count(called)} of ${count(run.count)}`, "functions got code"],
    [count(optimized), "functions ended above the first level"],
    [count(run.decisions.length), "decisions of the policy"],
    [count(run.queueMost), "requests in the queue at most"],
    [time(firstRise(run)), "until calls first ran optimized code"],
  ];
  return {root: h("div", {},
    h("div", {class: "cards"}, cards.map(([figure, about]) =>
      h("div", {class: "card"}, h("b", {}, figure), h("span", {}, about)))),
    run.notes.map((note) => h("p", {class: "note"}, note)),
    h("h3", {}, "Levels"), levelTotals(run),
    h("div", {class: "columns"},
      h("section", {}, h("h3", {}, "Most work"), topFunctions(run)),
      h("section", {}, h("h3", {}, "The run"), fieldTable(run.facts.filter(([, value]) => value !== "" && value !== "0"))),
      h("section", {}, h("h3", {}, "Totals"), fieldTable(run.totals.counters.map(([name, number]) => [name, count(number)]))))),
  };
}

function firstRise(run) {
  return run.firstRise.reduce((least, at) => (at < least || Number.isNaN(least) ? at : least), NaN);
}

function levelTotals(run) {
  const titles = ["level", "functions", "OSR entries", "refused", "failed", "Wasm bytes", "code bytes", "compile time", "CPU time of it", "longest", "wait in the queue"];
  return h("table", {class: "totals"},
    h("thead", {}, h("tr", {}, titles.map((title) => h("th", {}, title)))),
    h("tbody", {}, run.totals.levels.map(({name, totals}, level) => h("tr", {},
      h("th", {scope: "row"}, swatch("l" + Math.min(level, 7)), name),
      [count(totals.functions), count(totals.osr_units), count(totals.refused), count(totals.failures), bytes(totals.body_bytes),
        bytes(totals.code_bytes), time(totals.time), time(totals.cpu), time(totals.longest), time(totals.queue_wait)]
        .map((cell) => h("td", {}, cell))))));
}

function topFunctions(run) {
  const order = Array.from({length: run.count}, (_, func) => func);
  order.sort((a, b) => run.work[b] - run.work[a] || a - b);
  const most = run.work[order[0]] || 1;
  return h("table", {class: "top"}, h("tbody", {}, order.slice(0, 12).filter((func) => run.work[func] > 0).map((func) => h("tr", {},
    h("th", {scope: "row"}, h("a", {href: `#functions/${func}`}, run.name(func))),
    h("td", {}, h("span", {class: "meter", style: `width: ${(100 * run.work[func]) / most}%; background: var(--l${Math.max(run.finalLevel[func], 0)})`}),
      h("small", {}, count(run.work[func])))))));
}
