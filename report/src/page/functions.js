// The table of functions, and all that is known of the chosen one.

function functionsTab(run, showEvent) {
  const detail = h("div", {class: "detail"}, h("p", {class: "hint"}, "Choose a function: its history and code are shown here."));
  const choose = (func) => replace(detail, ...functionDetail(run, func, showEvent));
  const sampled = run.samplesOf.some((samples) => samples > 0);
  const columns = [
    {title: "function", width: "minmax(14rem, 1fr)", align: "left", value: (f) => run.name(f).toLowerCase(), show: (f) => run.name(f)},
    {title: "Wasm bytes", width: "7rem", value: (f) => run.funcs.body[f], show: (f) => count(run.funcs.body[f])},
    {title: "work", tip: "budget units used, as last reported: what counted code saw of its calls and iterations", width: "8rem", value: (f) => run.work[f], show: (f) => count(run.work[f])},
    ...(sampled ? [{title: "samples", width: "6rem", value: (f) => run.samplesOf[f], show: (f) => count(run.samplesOf[f])}] : []),
    {title: "level", tip: "the code that calls ran at the end", width: "10.5rem", align: "left", value: (f) => run.finalLevel[f],
      show: (f) => (run.finalLevel[f] < 0 ? "" : levelChip(run, run.finalLevel[f]))},
    {title: "tiers over time", width: "9rem", align: "left", value: (f) => run.firstRise[f], show: (f) => strip(run, f)},
    {title: "tier-up", tip: "when calls first ran optimized code", width: "6.5rem", value: (f) => run.firstRise[f], show: (f) => time(run.firstRise[f])},
    {title: "compile time", tip: "of all levels", width: "8rem", value: (f) => compileTime(run, f), show: (f) => time(compileTime(run, f))},
    {title: "code bytes", width: "7rem", value: (f) => run.codeBytes[f], show: (f) => count(run.codeBytes[f])},
    {title: "decisions", width: "6rem", value: (f) => run.decisionsOf[f], show: (f) => count(run.decisionsOf[f])},
    {title: "requests", width: "6rem", value: (f) => run.requestsOf[f], show: (f) => count(run.requestsOf[f])},
    {title: "OSR entries", width: "7rem", value: (f) => run.entriesOf[f], show: (f) => count(run.entriesOf[f])},
  ];
  const table = virtualTable({
    columns, label: "Functions", choose, initial: {sort: 2, down: true},
    rows: {count: run.count, text: (f) => run.name(f)},
  });
  return {
    root: h("div", {class: "functions"}, table.root, detail),
    table,
    show(func) {
      choose(func);
      table.reveal(func);
    },
  };
}

function compileTime(run, func) {
  return run.compileTime.reduce((sum, times) => sum + times[func], 0);
}

// A bar of the levels that a function's calls ran over the time of the run.
function strip(run, func) {
  const bar = h("span", {class: "strip"});
  const changes = run.levelsOf(func);
  changes.forEach(([at, level], place) => {
    const until = changes[place + 1]?.[0] ?? run.end;
    const left = (100 * at) / run.end, width = (100 * (until - at)) / run.end;
    bar.append(h("i", {style: `left: ${left.toFixed(2)}%; width: ${Math.max(width, 0.5).toFixed(2)}%; background: var(--l${Math.min(level, 7)})`}));
  });
  return bar;
}

const HISTORY = 2000;

function functionDetail(run, func, showEvent) {
  const events = Array.from(run.eventsOf(func));
  const facts = [
    ["index in the module", run.funcs.index[func]],
    ["Wasm bytes", count(run.funcs.body[func])],
    ["work", `${count(run.work[func])} units`],
    ...run.levels.map((name, level) => [`compile time, ${name}`, time(run.compileTime[level][func])]),
  ];
  const rows = events.slice(0, HISTORY).map((i) => {
    const open = () => showEvent(i);
    return h("tr", {
      tabindex: "0", onclick: open,
      onkeydown: (event) => {
        if (event.key === "Enter") open();
      },
    },
    h("td", {class: "number"}, time(run.at[i])),
    h("td", {}, run.kindName(i)),
    h("td", {}, summary(run, i)));
  });
  return [
    h("h3", {}, run.name(func)),
    fieldTable(facts),
    codePanes(run, func),
    h("h4", {}, "History"),
    h("div", {class: "history"}, h("table", {}, h("tbody", {}, rows))),
    events.length > HISTORY ? h("p", {class: "hint"}, `${count(events.length - HISTORY)} later events are in the timeline.`) : null,
  ];
}

// An event in a few words.
function summary(run, i) {
  const loop = run.loop[i] < 0 ? "" : `loop ${run.loop[i]}: `;
  const level = run.level[i] < 0 ? "" : levelName(run, run.level[i]);
  switch (run.kindName(i)) {
    case "decided": return `${trigger(run, i)}: ${answer(run, i)} — ${run.get(i, "reason") || "no reason"}`;
    case "compile-finished": return `${loop}${level}, ${time(run.get(i, "time"))}, ${count(run.get(i, "code_bytes"))} bytes of code`;
    case "request-queued": return `${loop}${level}, lane ${run.get(i, "lane")}, ${run.get(i, "queue_length")} in the queue`;
    case "dequeued": return `${loop}${level} after ${time(run.get(i, "waited"))}`;
    case "request-dropped": return `${loop}${level}: ${run.get(i, "why")}`;
    case "compile-failed": case "compile-refused": case "pinned": return `${loop}${run.get(i, "reason")}`;
    case "budget-exhausted": return `${run.get(i, "site") == null ? "entry" : "loop " + run.get(i, "site")}, ${count(run.get(i, "units"))} units`;
    case "retired": return `${level} after ${time(run.get(i, "age"))}`;
    default: return loop + level;
  }
}

// Wasm, baseline code, CLIF and optimized code of a function side by side.
function codePanes(run, func) {
  const panes = run.code[func];
  if (!panes) {
    const how = Object.keys(run.code).length
      ? "The report has the code of those functions that did the most work."
      : "Made with --module PROGRAM, the report has the code of functions too.";
    return h("p", {class: "hint"}, how);
  }
  return h("div", {class: "code"}, panes.map(([title, text]) =>
    h("section", {}, h("h4", {}, title, h("small", {}, ` ${count(text.split("\n").length)} lines`)), h("pre", {tabindex: "0"}, text))));
}
