// What is known of one event: for a decision its reason, what the policy saw, and its answer.

function inspector(run) {
  const root = h("div", {class: "inspector", "aria-live": "polite"},
    h("p", {class: "hint"}, "Choose a mark or a compilation, or step through decisions with ← and →."));
  return {
    root,
    show(i) {
      replace(root, ...describe(run, i));
    },
  };
}

function describe(run, i) {
  const func = run.func[i];
  const head = h("h3", {}, run.kindName(i), " ",
    func < 0 ? null : h("a", {href: `#functions/${func}`}, run.subject(i)),
    h("small", {}, ` at ${time(run.at[i])}, thread ${run.thread[i]}`));
  if (run.kindName(i) !== "decided") {
    return [head, fieldTable(run.fields(i).map(([name, value]) => [name, shown(name, value)]))];
  }
  return [head, sentence(run, i), ...decisionTables(run, i)];
}

// The decision in one sentence: trigger, answer, reason with its numbers.
function sentence(run, i) {
  const reason = run.get(i, "reason") || "no reason given";
  const numbers = (run.get(i, "numbers") || []).map(([name, value]) =>
    h("span", {class: "number"}, name, " ", h("b", {}, digits(value))));
  return h("p", {class: "sentence"},
    "On ", h("b", {}, trigger(run, i)), " the policy ", h("b", {}, answer(run, i)), ": ",
    h("em", {}, reason), numbers.length ? " " : null, numbers);
}

function trigger(run, i) {
  const name = run.get(i, "trigger.name") || "?";
  const site = run.get(i, "trigger.site.index");
  return site == null ? name : `${name} ${site}`;
}

function answer(run, i) {
  const parts = [];
  for (const [part, what] of [["function", "code"], ["osr", "an OSR entry"]]) {
    const level = run.get(i, `answer.${part}.level`);
    if (level != null) {
      parts.push(`requested ${what} of ${levelName(run, level)} (${run.get(i, `answer.${part}.lane`)})`);
    }
  }
  if (run.get(i, "answer.withdraw")) parts.push("withdrew its request");
  if (parts.length === 0) {
    const budget = run.get(i, "answer.budget");
    parts.push(budget == null ? "waits, and is not asked again" : `waits for ${count(budget)} units`);
  }
  return parts.join(" and ");
}

function decisionTables(run, i) {
  const groups = {view: [], trigger: [], answer: [], memo: []};
  for (const [name, value] of run.fields(i)) {
    const [group, ...rest] = name.split(".");
    if (groups[group]) groups[group].push([rest.join("."), shown(name, value)]);
  }
  const memo = run.get(i, "memo");
  if (memo && memo.some((word) => word !== 0)) groups.memo.push(["memo", memo.join(" ")]);
  const titles = {view: "What it saw", trigger: "What it was asked about", answer: "What it answered", memo: "What it remembers"};
  return [h("div", {class: "columns"}, Object.entries(groups).filter(([, rows]) => rows.length).map(([group, rows]) =>
    h("section", {}, h("h4", {}, titles[group]), fieldTable(rows))))];
}

const TIMES = /(^|\.)(now|age|age_since_request|since_new_code|time|cpu_time|queue_wait|waited|wake|baseline|optimized)$/;
const SIZES = /_bytes$/;

function shown(name, value) {
  if (typeof value === "number") {
    if (TIMES.test(name)) return time(value);
    if (SIZES.test(name)) return bytes(value);
    if (name === "address") return "0x" + value.toString(16);
    return digits(value);
  }
  if (Array.isArray(value)) {
    return value.map((item) => (Array.isArray(item) ? item.join(" ") : typeof item === "object" ? JSON.stringify(item) : item)).join(", ");
  }
  return String(value);
}

function fieldTable(rows) {
  return h("table", {class: "fields"}, h("tbody", {}, rows.map(([name, value]) =>
    h("tr", {}, h("th", {scope: "row"}, name.replaceAll("_", " ")), h("td", {}, value)))));
}
