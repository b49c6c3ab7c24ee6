// A module's functions in all of their forms, side by side. A line is highlighted with all lines that
// come from the same instruction; a click pins it and brings the others into view.

const data = JSON.parse(document.getElementById("data").textContent);
let shown = null;
let pinned = null;

const search = h("input", {type: "search", placeholder: "Search functions ( / )", "aria-label": "Search functions"});
const found = h("p", {});
const list = h("ul", {"aria-label": "Functions"});
const head = h("div", {class: "head"});
const forms = h("div", {class: "forms"});
document.getElementById("explore").append(
  h("nav", {}, search, found, list), h("div", {class: "function"}, head, forms));

const buttons = data.functions.map((func) => h("button", {title: func.name, onclick: () => go(func.index)},
  h("span", {}, func.name), h("small", {}, count(func.bytes) + "\u00a0B")));
const items = buttons.map((button) => h("li", {}, button));

// Functions whose name has all words of the search, or whose index it is.
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter((word) => word);
  const fits = (func) => String(func.index) === search.value.trim()
    || words.every((word) => func.name.toLowerCase().includes(word));
  const visible = items.filter((_, i) => fits(data.functions[i]));
  replace(list, visible);
  found.textContent = count(visible.length) + (visible.length === 1 ? " function" : " functions");
}

function lines(func, form) {
  const box = h("div", {class: "lines", tabindex: "0"});
  form.text.split("\n").forEach((text, i) => {
    const at = form.offsets[i];
    const line = h("div", {class: "line"}, text);
    if (at !== null) {
      line.dataset.at = at;
      if (at < func.body[0] || at >= func.body[1]) {
        line.classList.add("elsewhere");
        line.title = "inlined: from offset 0x" + at.toString(16) + " of the module";
      }
    }
    box.append(line);
  });
  return box;
}

function show(func) {
  shown = func;
  pinned = null;
  buttons.forEach((button, i) => button.setAttribute("aria-current", String(data.functions[i] === func)));
  replace(head, h("b", {}, func.name), h("span", {}, `function ${func.index}, ${count(func.bytes)} bytes of WebAssembly at 0x${func.body[0].toString(16)}`));
  replace(forms, func.forms.map((form, i) => h("section", {class: "form", "aria-label": data.forms[i]},
    h("h2", {}, h("b", {}, data.forms[i]), form.note ? " " + form.note : ""), lines(func, form))));
}

function mark(name, at) {
  for (const line of forms.querySelectorAll("." + name)) line.classList.remove(name);
  if (at == null) return;
  for (const line of forms.querySelectorAll(`.line[data-at="${at}"]`)) line.classList.add(name);
}

// Pins an instruction, and brings its first line of each form into view.
function pin(at, origin) {
  pinned = at;
  mark("pinned", at);
  for (const box of forms.querySelectorAll(".lines")) {
    const first = box.querySelector(".pinned");
    if (first && box !== origin) box.scrollTop = first.offsetTop - box.offsetTop - box.clientHeight / 3;
  }
}

const lineOf = (event) => event.target.closest?.(".line[data-at]");
forms.addEventListener("mouseover", (event) => mark("near", lineOf(event)?.dataset.at));
forms.addEventListener("mouseleave", () => mark("near", null));
forms.addEventListener("click", (event) => {
  const line = lineOf(event);
  if (line) pin(line.dataset.at === pinned ? null : line.dataset.at, line.parentElement);
});

// The next or previous instruction of the WebAssembly text.
function step(by) {
  const all = [...forms.querySelectorAll(".form:first-child .line[data-at]")];
  const at = all.findIndex((line) => line.dataset.at === pinned);
  const next = all[at < 0 ? 0 : at + by];
  if (next) pin(next.dataset.at);
}

function go(index) {
  location.hash = "#" + index;
}

function follow() {
  const index = Number(location.hash.slice(1));
  const func = data.functions.find((func) => func.index === index && location.hash.length > 1) ?? data.functions[0];
  if (func && func !== shown) show(func);
}

search.addEventListener("input", filter);
window.addEventListener("hashchange", follow);
document.getElementById("theme").addEventListener("click", toggleTheme);
document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && typing) event.target.blur();
  else if (event.key === "Enter" && typing) list.querySelector("button")?.click();
  if (typing) return;
  if (event.key === "/") {
    event.preventDefault();
    search.focus();
  } else if (event.key === "t") toggleTheme();
  else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
});

// The page's own test, run by opening it with `?test`: what it found stands in an element.
function selfTest() {
  const results = {failures: [], functions: data.functions.length};
  const check = (what, holds) => {
    if (!holds) results.failures.push(what);
  };
  try {
    const before = performance.now();
    for (const func of data.functions.slice(0, 50)) {
      show(func);
      const boxes = [...forms.querySelectorAll(".lines")];
      check(`${func.name}: every form is shown`, boxes.length === data.forms.length && boxes.every((box) => box.textContent.trim()));
      const texts = forms.querySelectorAll(".form:first-child .line[data-at]");
      let everywhere = 0;
      for (const line of texts) {
        line.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
        check(`${func.name}: the line under the pointer is marked`, line.classList.contains("near"));
        if (boxes.every((box) => box.querySelector(".near"))) everywhere += 1;
      }
      check(`${func.name}: an instruction is found in every form`, everywhere > 0);
    }
    results.milliseconds = performance.now() - before;
    const line = forms.querySelector(".line[data-at]");
    line.click();
    check("a click pins", line.classList.contains("pinned"));
    line.click();
    check("a second click releases", !line.classList.contains("pinned"));
    step(1);
    check("keys step", forms.querySelector(".pinned") !== null);
    search.value = data.functions[0].name;
    filter();
    check("the search finds", list.children.length >= 1 && list.textContent.includes(data.functions[0].name));
    search.value = "no function is called like this";
    filter();
    check("the search filters", list.children.length === 0);
    search.value = "";
    filter();
    const ink = () => getComputedStyle(document.body).color;
    const light = ink();
    toggleTheme();
    check("the button changes colours", ink() !== light);
    toggleTheme();
  } catch (error) {
    results.failures.push(String(error.stack || error));
  }
  document.body.append(h("pre", {id: "selftest"}, JSON.stringify(results)));
}

const asked = new URLSearchParams(location.search);
if (asked.has("theme")) document.documentElement.dataset.theme = asked.get("theme");
filter();
follow();
if (asked.has("test")) selfTest();
