// The comparison of two runs: their figures, and where the policy first decided otherwise.

function compareTab(runs, comparison) {
  const [first, second] = runs;
  const row = (name, show, of) => {
    const [a, b] = [of(first), of(second)];
    return h("tr", {}, h("th", {scope: "row"}, name), h("td", {}, show(a)), h("td", {}, show(b)),
      h("td", {}, Number.isFinite(b / a) && a !== 0 ? (b / a).toFixed(2) + "\u00a0×" : "–"));
  };
  const sum = (of) => (run) => run.totals.levels.reduce((total, {totals}) => total + of(totals), 0);
  const figures = h("table", {class: "totals"},
    h("thead", {}, h("tr", {}, ["", first.label, second.label, "second over first"].map((title) => h("th", {}, title)))),
    h("tbody", {},
      row("time to the last event", time, (run) => run.end),
      row("first optimized code", time, (run) => firstRise(run)),
      row("decisions", count, (run) => run.decisions.length),
      row("requests", count, (run) => run.requestsOf.reduce((total, n) => total + n, 0)),
      row("compile time", time, sum((totals) => totals.time)),
      row("functions compiled", count, sum((totals) => totals.functions)),
      row("code bytes", bytes, sum((totals) => totals.code_bytes)),
      row("longest queue", count, (run) => run.queueMost)));
  const {different, same, functions} = comparison;
  // Two policies are asked at other times and give other reasons: only requests can be compared.
  const requests = comparison.by === "requests";
  const what = requests ? "request" : "decision";
  const verdict = functions.length === 0
    ? h("p", {class: "note"}, `The ${requests ? "policies" : "policy"} decided alike: ${count(same)} functions have the same requests, in the same order${requests ? "" : " and for the same reasons"}.`)
    : h("p", {class: "about"}, `${count(different)} functions were decided on otherwise, ${count(same)} alike. ` + (requests
      ? "The policies differ, so only their requests are compared, those of a function in their order: for what code, of which level. When and why they were made is not."
      : "Decisions of a function are compared in their order: what the policy was asked about, what it requested and why. Budgets and times are not."));
  const detail = h("div", {class: "columns pair"});
  const choose = (entry) => replace(detail, [[first, entry.first, entry], [second, entry.second, entry]].map(([run, i, {number}]) =>
    h("section", {}, h("h4", {}, run.label), i < 0
      ? h("p", {class: "hint"}, `No ${what} number ${number + 1} on this function.`)
      : describe(run, i))));
  const list = h("table", {class: "list"},
    h("thead", {}, h("tr", {}, ["function", "at", what, first.label, second.label].map((title) => h("th", {}, title)))),
    h("tbody", {}, functions.map((entry) => {
      const said = (run, i) => (i < 0 ? "–" : `${trigger(run, i)}: ${answer(run, i)}`);
      const open = () => choose(entry);
      return h("tr", {tabindex: "0", onclick: open, onkeydown: (event) => event.key === "Enter" && open()},
        h("th", {scope: "row"}, first.name(entry.func)), h("td", {}, time(entry.at)), h("td", {}, `number ${entry.number + 1}`),
        h("td", {}, said(first, entry.first)), h("td", {}, said(second, entry.second)));
    })));
  if (functions.length) choose(functions[0]);
  return {root: h("div", {}, figures, verdict,
    functions.length ? [h("h3", {}, `The first ${what} that differs`), detail, h("h3", {}, "By function, the first first"), h("div", {class: "history"}, list)] : null)};
}
