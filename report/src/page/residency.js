// Residency: which code calls ran over time, as parts of all functions that had code.

const WEIGHTS = [
  ["functions", "each function counts once", () => 1],
  ["Wasm bytes", "by the size of bodies", (run, func) => run.funcs.body[func]],
  ["work", "by the budget units used in the whole run", (run, func) => run.work[func]],
];

function residencyTab(run) {
  const root = h("div", {});
  let weight = 0;
  const figure = h("div", {});
  const table = h("div", {});
  const buttons = WEIGHTS.map(([name, about], place) => h("button", {
    title: about, "aria-pressed": String(place === 0),
    onclick: () => {
      weight = place;
      buttons.forEach((button, other) => button.setAttribute("aria-pressed", String(other === place)));
      update();
    },
  }, name));
  root.append(
    h("p", {class: "about"}, "The level of the code that calls run, over all functions, as each publication changed it. OSR entries are not in it: they serve one call each."),
    h("div", {class: "tools"}, "weighted by ", buttons), figure, table);
  let series = residency(run, WEIGHTS[0][2]);
  const view = canvas(figure, 300, (context, width, height) => stack(run, series, context, width, height),
    "Levels of code over time, stacked");

  function update() {
    series = residency(run, WEIGHTS[weight][2]);
    view.later();
    const all = series.integral.reduce((sum, part) => sum + part, 0);
    replace(table, h("table", {class: "totals"},
      h("thead", {}, h("tr", {}, ["level", "at the end", "share of function time"].map((title) => h("th", {}, title)))),
      h("tbody", {}, run.levels.map((name, level) => h("tr", {},
        h("th", {}, swatch("l" + Math.min(level, 7)), name),
        h("td", {}, digits(series.last[level])),
        h("td", {}, percent(series.integral[level] / all)))))));
  }
  update();
  return {root};
}

// The sums of weights by level, at each publication.
function residency(run, weigh) {
  const levels = run.levels.length;
  const now = new Float64Array(levels), integral = new Float64Array(levels);
  const level = new Int32Array(run.count).fill(NONE);
  const at = [0], sums = [now.slice()];
  let before = 0;
  for (const i of run.changes) {
    const func = run.func[i], next = Math.min(run.level[i], levels - 1), weight = weigh(run, func);
    for (let l = 0; l < levels; l++) integral[l] += now[l] * (run.at[i] - before);
    before = run.at[i];
    if (level[func] >= 0) now[level[func]] -= weight;
    now[next] += weight;
    level[func] = next;
    at.push(run.at[i]);
    sums.push(now.slice());
  }
  for (let l = 0; l < levels; l++) integral[l] += now[l] * (run.end - before);
  return {at, sums, integral, last: now};
}

function stack(run, series, context, width, height) {
  const left = 70, right = width - 10, top = 8, bottom = height - 24;
  const total = (sums) => sums.reduce((sum, part) => sum + part, 0);
  const most = Math.max(total(series.last), 1e-9);
  const x = (at) => left + (at / run.end) * (right - left);
  const y = (value) => bottom - (value / most) * (bottom - top);
  for (let level = run.levels.length - 1; level >= 0; level--) {
    const upTo = (sums) => sums.slice(0, level + 1).reduce((sum, part) => sum + part, 0);
    context.fillStyle = levelColour(level);
    context.beginPath();
    context.moveTo(left, bottom);
    let pixel = -1, value = 0;
    for (let i = 0; i < series.at.length; i++) {
      const place = Math.floor(x(series.at[i]));
      const next = upTo(series.sums[i]);
      if (place !== pixel) {
        context.lineTo(place, y(value));
        context.lineTo(place, y(next));
        pixel = place;
      }
      value = next;
    }
    context.lineTo(right, y(value));
    context.lineTo(right, bottom);
    context.fill();
  }
  axes(run, context, {left, right, top, bottom, most, x, y});
}

function axes(run, context, {left, right, top, bottom, most, x, y}) {
  context.strokeStyle = colour("line");
  context.strokeRect(left + 0.5, top + 0.5, right - left, bottom - top);
  context.fillStyle = colour("soft");
  context.textAlign = "center";
  const step = roundStep(run.end, (right - left) / 110);
  for (let tick = 0; tick <= run.end; tick += step) context.fillText(instant(tick, step), x(tick), bottom + 16);
  context.textAlign = "right";
  const up = roundStep(most, 4);
  for (let tick = 0; tick <= most * 1.001; tick += up) context.fillText(digits(tick), left - 6, y(tick) + 4);
}
