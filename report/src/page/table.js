// A table of any number of rows, of which only those in sight are elements.

const ROW = 26;

// Columns are `{title, width, value(row), show(row), align, tip}`; `value` is what is sorted by.
function virtualTable({columns, rows, label, choose, initial}) {
  const state = {sort: initial.sort, down: initial.down, filter: "", rows: [], active: 0};
  const template = columns.map((column) => column.width).join(" ");
  const status = h("span", {class: "status", role: "status"});
  const search = h("input", {
    type: "search", placeholder: "filter by name ( / )", "aria-label": "Filter by name",
    oninput: () => {
      state.filter = search.value.toLowerCase();
      update();
    },
  });
  const heads = columns.map((column, place) => h("div", {
    role: "columnheader", class: column.align === "left" ? "head left" : "head", title: column.tip, tabindex: "0",
    onclick: () => sortBy(place),
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      sortBy(place);
    },
  }, column.title));
  const filler = h("div", {class: "filler"});
  const window_ = h("div", {class: "rows", role: "rowgroup"});
  const body = h("div", {class: "body", tabindex: "0", role: "grid", "aria-label": label},
    h("div", {class: "heads", role: "row", style: `grid-template-columns: ${template}`}, heads), filler, window_);
  const root = h("div", {class: "virtual"}, h("div", {class: "tools"}, search, status), body);
  const pool = [];

  function sortBy(place) {
    if (state.sort === place) state.down = !state.down;
    else [state.sort, state.down] = [place, columns[place].align !== "left"];
    update();
  }

  function update() {
    const value = columns[state.sort].value;
    const keyed = [];
    for (let row = 0; row < rows.count; row++) {
      if (!state.filter || rows.text(row).toLowerCase().includes(state.filter)) keyed.push([value(row), row]);
    }
    const missing = (key) => key == null || Number.isNaN(key);
    const sign = state.down ? -1 : 1;
    keyed.sort(([a, i], [b, j]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
      return (a < b ? -sign : a > b ? sign : 0) || i - j;
    });
    state.rows = keyed.map(([, row]) => row);
    state.active = Math.min(state.active, Math.max(state.rows.length - 1, 0));
    heads.forEach((head, place) => {
      head.setAttribute("aria-sort", place !== state.sort ? "none" : state.down ? "descending" : "ascending");
    });
    status.textContent = `${count(state.rows.length)} of ${count(rows.count)}`;
    filler.style.height = state.rows.length * ROW + "px";
    draw();
  }

  // Fills the rows in sight. Elements are used again: scrolling makes none.
  function draw() {
    const top = Math.max(body.scrollTop, 0);
    const first = Math.max(Math.floor(top / ROW) - 4, 0);
    const shownRows = Math.min(Math.ceil((body.clientHeight || 600) / ROW) + 8, state.rows.length - first);
    while (pool.length < shownRows) {
      const cells = columns.map((column) => h("div", {role: "gridcell", class: column.align === "left" ? "left" : ""}));
      const element = h("div", {class: "row", role: "row", style: `grid-template-columns: ${template}`}, cells);
      element.addEventListener("click", () => activate(Number(element.dataset.place)));
      window_.append(element);
      pool.push({element, cells});
    }
    pool.forEach(({element, cells}, place) => {
      const at = first + place;
      element.hidden = place >= shownRows;
      if (element.hidden) return;
      element.style.transform = `translateY(${at * ROW}px)`;
      element.dataset.place = at;
      element.classList.toggle("active", at === state.active);
      element.setAttribute("aria-selected", String(at === state.active));
      const row = state.rows[at];
      columns.forEach((column, c) => {
        const content = column.show(row);
        if (content instanceof Node) cells[c].replaceChildren(content);
        else cells[c].textContent = content;
        if (column.align === "left") cells[c].title = typeof content === "string" ? content : "";
      });
    });
  }

  function activate(place) {
    if (place < 0 || place >= state.rows.length) return;
    state.active = place;
    const top = place * ROW;
    if (top < body.scrollTop) body.scrollTop = top;
    const room = body.clientHeight - ROW * 2;
    if (top > body.scrollTop + room) body.scrollTop = top - room;
    draw();
    choose(state.rows[place]);
  }

  body.addEventListener("scroll", () => requestAnimationFrame(draw), {passive: true});
  body.addEventListener("keydown", (event) => {
    const page = Math.max(Math.floor(body.clientHeight / ROW) - 2, 1);
    const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
    const step = steps[event.key];
    if (step === undefined || event.target !== body) return;
    event.preventDefault();
    event.stopPropagation();
    activate(Math.min(Math.max(state.active + step, 0), state.rows.length - 1));
  });
  new ResizeObserver(draw).observe(body);
  update();
  return {
    root, state, update, draw, search, body,
    // Makes a row the active one, if the filter shows it.
    reveal(row) {
      const place = state.rows.indexOf(row);
      if (place >= 0) activate(place);
    },
  };
}
