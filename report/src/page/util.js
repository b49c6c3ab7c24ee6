// Elements, numbers and colours: what all parts of the page use.

// An element: `h("td", {class: "x", onclick: f}, "text", child)`.
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child != null) element.append(child);
  }
  return element;
}

function replace(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child != null));
}

// Numbers. All times are nanoseconds since the log's start.

const THIN = "\u2009";

function count(number) {
  if (number == null || Number.isNaN(number)) return "–";
  const rounded = Math.round(number);
  return String(rounded).replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

// About three significant digits, without an exponent where that is not needed.
function digits(number) {
  if (typeof number !== "number") return String(number);
  const size = Math.abs(number);
  if (size >= 1e15 || (size > 0 && size < 1e-3)) return number.toExponential(2);
  if (size >= 1000 || Number.isInteger(number)) return count(number);
  return String(Number(number.toPrecision(3)));
}

function time(ns) {
  if (ns == null || Number.isNaN(ns)) return "–";
  const size = Math.abs(ns);
  const in_ = (unit, symbol) => Number((ns / unit).toPrecision(3)).toString() + "\u00a0" + symbol;
  if (size >= 1e9) return in_(1e9, "s");
  if (size >= 1e6) return in_(1e6, "ms");
  if (size >= 1e3) return in_(1e3, "µs");
  return in_(1, "ns");
}

// A place on the axis of time, with as many decimals as a step of `step` needs.
function instant(ns, step) {
  const [unit, symbol] = ns >= 1e9 || step >= 1e8 ? [1e9, "s"] : ns >= 1e6 || step >= 1e5 ? [1e6, "ms"] : [1e3, "µs"];
  const decimals = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  return (ns / unit).toFixed(Math.min(decimals, 9)) + "\u00a0" + symbol;
}

function bytes(number) {
  if (number == null || Number.isNaN(number)) return "–";
  const in_ = (unit, symbol) => Number((number / unit).toPrecision(3)).toString() + "\u00a0" + symbol;
  if (number >= 1e9) return in_(1e9, "GB");
  if (number >= 1e6) return in_(1e6, "MB");
  if (number >= 1e4) return in_(1e3, "kB");
  return count(number) + "\u00a0B";
}

function percent(part) {
  return Number.isFinite(part) ? (100 * part).toFixed(part < 0.1 ? 1 : 0) + "\u00a0%" : "–";
}

// The place of the first element of a sorted array that is not below `value`.
function lowerBound(sorted, value, low = 0, high = sorted.length) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// A round step of which about `parts` fit into `range`.
function roundStep(range, parts) {
  const raw = range / Math.max(parts, 1);
  const magnitude = 10 ** Math.floor(Math.log10(raw || 1));
  return [1, 2, 5, 10].map((factor) => factor * magnitude).find((step) => step >= raw * 0.999) || raw;
}

// Colours come from the style sheet, which has them for light and dark.

let colourCache = new Map();

function colour(name) {
  if (!colourCache.has(name)) {
    const style = getComputedStyle(document.documentElement);
    colourCache.set(name, style.getPropertyValue("--" + name).trim() || "#888");
  }
  return colourCache.get(name);
}

function levelColour(level) {
  return colour("l" + Math.min(Math.max(level, 0), 7));
}

function levelName(run, level) {
  return run.levels[level] ?? "level " + level;
}

// A canvas that is drawn again when its size or the colours change.
function canvas(parent, height, draw, label) {
  const element = h("canvas", {class: "plot", role: "img", "aria-label": label, tabindex: "0"});
  parent.append(element);
  const view = {
    element, width: 0, height,
    context: element.getContext("2d"),
    draw() {
      const ratio = window.devicePixelRatio || 1;
      view.width = element.clientWidth || parent.clientWidth || 800;
      element.style.height = view.height + "px";
      element.width = Math.round(view.width * ratio);
      element.height = Math.round(view.height * ratio);
      view.context.setTransform(ratio, 0, 0, ratio, 0, 0);
      view.context.clearRect(0, 0, view.width, view.height);
      view.context.font = "11px system-ui, sans-serif";
      draw(view.context, view.width, view.height);
    },
    // At most one drawing per frame, however many events ask for one.
    later() {
      if (view.waiting) return;
      view.waiting = true;
      requestAnimationFrame(() => {
        view.waiting = false;
        view.draw();
      });
    },
  };
  new ResizeObserver(() => view.later()).observe(parent);
  onTheme(() => view.later());
  return view;
}

// Light and dark: the system's choice, until the button chooses.

const themeListeners = [];

function onTheme(listener) {
  themeListeners.push(listener);
}

function themeChanged() {
  colourCache = new Map();
  for (const listener of themeListeners) listener();
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  themeChanged();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);

// A small coloured square.
function swatch(name) {
  return h("i", {class: "swatch", style: `background: var(--${name})`});
}

function levelChip(run, level) {
  return h("span", {class: "chip"}, swatch("l" + Math.min(level, 7)), levelName(run, level));
}
