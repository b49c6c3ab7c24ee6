// The timeline: queue, threads with their compilations, publications and decisions, over time.

const LANE = {queue: 64, thread: 22, marks: 24, decisions: 24, axis: 22, gap: 8, left: 112};

function timeline(run, inspect) {
  const state = {from: 0, to: run.end, cursor: 0, selected: NONE, only: null};
  const root = h("div", {class: "timeline"});
  const threads = run.threads.filter((thread) => run.compiles.some((i) => run.thread[i] === thread));
  const lanes = laneList(run, threads);
  const height = lanes.reduce((sum, lane) => sum + lane.height + LANE.gap, LANE.axis);
  const view = canvas(root, height, draw,
    "Timeline: queue depth, compilations by thread, publications and decisions");

  function x(at) {
    return LANE.left + ((at - state.from) / (state.to - state.from)) * (view.width - LANE.left - 8);
  }

  function at(x) {
    const part = (x - LANE.left) / Math.max(view.width - LANE.left - 8, 1);
    return state.from + part * (state.to - state.from);
  }

  function draw(context, width, height) {
    let top = 0;
    axis(context, width, height);
    for (const lane of lanes) {
      context.fillStyle = colour("soft");
      context.textAlign = "right";
      context.fillText(lane.title, LANE.left - 10, top + Math.min(lane.height, 22) / 2 + 4);
      context.save();
      context.beginPath();
      context.rect(LANE.left, top, width - LANE.left - 8, lane.height);
      context.clip();
      lane.draw({context, top, height: lane.height, x, from: state.from, to: state.to, width, state});
      context.restore();
      context.strokeStyle = colour("line");
      context.strokeRect(LANE.left + 0.5, top + 0.5, width - LANE.left - 9, lane.height - 1);
      top += lane.height + LANE.gap;
    }
    const place = Math.round(x(state.cursor)) + 0.5;
    if (place >= LANE.left && place <= width - 8) {
      context.strokeStyle = colour("accent");
      context.beginPath();
      context.moveTo(place, 0);
      context.lineTo(place, height - LANE.axis);
      context.stroke();
    }
  }

  function axis(context, width, height) {
    const step = roundStep(state.to - state.from, (width - LANE.left) / 110);
    context.textAlign = "center";
    for (let tick = Math.ceil(state.from / step) * step; tick <= state.to; tick += step) {
      const place = Math.round(x(tick)) + 0.5;
      context.strokeStyle = colour("grid");
      context.beginPath();
      context.moveTo(place, 0);
      context.lineTo(place, height - LANE.axis + 3);
      context.stroke();
      context.fillStyle = colour("soft");
      context.fillText(instant(tick, step), Math.max(place, LANE.left + 14), height - 5);
    }
  }

  function zoom(factor, around) {
    const least = 1000;
    const span = Math.min(Math.max((state.to - state.from) * factor, least), run.end);
    const part = (around - state.from) / (state.to - state.from);
    show(around - part * span, span);
  }

  function show(from, span) {
    state.from = Math.max(0, Math.min(from, run.end - span));
    state.to = state.from + span;
    view.later();
  }

  // Puts the cursor at an event, in sight.
  function select(i) {
    state.selected = i;
    state.cursor = run.at[i];
    const span = state.to - state.from;
    if (state.cursor < state.from || state.cursor > state.to) show(state.cursor - span / 2, span);
    view.later();
    inspect(i);
  }

  // The decisions that the keys step through: all, or those of one function.
  function candidates() {
    if (state.only == null) return run.decisions;
    return run.decisions.filter((i) => run.func[i] === state.only);
  }

  function nearest(time) {
    const list = candidates();
    const times = state.only == null ? run.decisionAt : Float64Array.from(list, (i) => run.at[i]);
    const next = lowerBound(times, time);
    if (list.length === 0) return NONE;
    if (next === 0) return list[0];
    if (next === list.length) return list[next - 1];
    return time - times[next - 1] <= times[next] - time ? list[next - 1] : list[next];
  }

  function step(by) {
    const list = candidates();
    const place = lowerBound(list, state.selected < 0 ? nearest(state.cursor) : state.selected);
    const wanted = list[Math.min(Math.max(place + by, 0), list.length - 1)];
    if (wanted !== undefined) select(wanted);
  }

  // Compilations and marks under the pointer come first; elsewhere the decision that is nearest.
  function hit(x0, y) {
    let top = 0;
    for (const lane of lanes) {
      if (y >= top && y < top + lane.height && lane.find) {
        const found = lane.find(at(x0), (state.to - state.from) / Math.max(view.width, 1) * 4);
        if (found >= 0) return found;
      }
      top += lane.height + LANE.gap;
    }
    return nearest(at(x0));
  }

  const element = view.element;
  let drag = null;
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const span = state.to - state.from;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      show(state.from + ((event.deltaX || event.deltaY) / view.width) * span, span);
    } else {
      zoom(Math.exp(event.deltaY * 0.002), at(event.offsetX));
    }
  }, {passive: false});
  element.addEventListener("pointerdown", (event) => {
    drag = {x: event.offsetX, from: state.from, moved: false};
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const by = event.offsetX - drag.x;
    if (Math.abs(by) > 3) drag.moved = true;
    const span = state.to - state.from;
    if (drag.moved) show(drag.from - (by / (view.width - LANE.left - 8)) * span, span);
  });
  element.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) {
      const found = hit(event.offsetX, event.offsetY);
      state.cursor = at(event.offsetX);
      if (found >= 0) select(found);
      view.later();
    }
    drag = null;
  });
  element.addEventListener("keydown", (event) => {
    const span = state.to - state.from;
    const actions = {
      ArrowLeft: () => step(-1), ArrowRight: () => step(1),
      ArrowUp: () => zoom(0.7, state.cursor), ArrowDown: () => zoom(1 / 0.7, state.cursor),
      "+": () => zoom(0.7, state.cursor), "-": () => zoom(1 / 0.7, state.cursor),
      PageUp: () => show(state.from - span * 0.8, span), PageDown: () => show(state.from + span * 0.8, span),
      Home: () => show(0, span), End: () => show(run.end - span, span), "0": () => show(0, run.end),
    };
    const action = actions[event.key];
    if (action && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      event.stopPropagation();
      action();
    }
  });
  return {
    root, view, state, select, step, zoom, show,
    follow(func) {
      state.only = func;
      view.later();
    },
  };
}

// What the lanes show, from top to bottom.
function laneList(run, threads) {
  const lanes = [];
  lanes.push({
    title: `queue, ≤ ${count(run.queueMost)}`, height: LANE.queue, draw: (area) => queueLane(run, area),
  });
  for (const thread of threads) {
    const compiles = run.compiles.filter((i) => run.thread[i] === thread);
    const ends = Float64Array.from(compiles, (i) => run.at[i]);
    const starts = Float64Array.from(compiles, (i) => run.at[i] - run.get(i, "time"));
    lanes.push({
      title: `thread ${thread}`, height: LANE.thread,
      draw: (area) => compileLane(run, {compiles, starts, ends}, area),
      find: (time) => {
        const place = lowerBound(ends, time);
        return place < compiles.length && starts[place] <= time ? compiles[place] : NONE;
      },
    });
  }
  const marked = (title, list, kindOf, colours) => {
    const times = Float64Array.from(list, (i) => run.at[i]);
    const kinds = Uint8Array.from(list, kindOf);
    lanes.push({
      title, height: LANE.marks,
      draw: (area) => marksLane({list, times, kinds}, colours, area),
      find: (time, slack) => {
        const place = lowerBound(times, time - slack);
        return place < list.length && times[place] <= time + slack ? list[place] : NONE;
      },
    });
  };
  const levels = run.levels.map((_, level) => "l" + Math.min(level, 7));
  const last = run.levels.length - 1;
  const dropped = run.kinds.indexOf("request-dropped");
  const lowest = Math.min(1, last);
  const published = run.marks.filter((i) => run.kind[i] !== dropped);
  marked("published", published, (i) => Math.min(Math.max(run.level[i], lowest), last), levels);
  const lost = run.marks.filter((i) => run.kind[i] === dropped);
  if (lost.length > 0) marked("dropped", lost, () => 0, ["bad"]);
  marked("decisions", run.decisions, (i) => (run.requests(i) ? 1 : 0), ["faint", "accent"]);
  return lanes;
}

// The length of the queue as an area; of each pixel the longest.
function queueLane(run, {context, top, height, x, from, to}) {
  const {at, length} = run.queue;
  const scale = (height - 6) / Math.max(run.queueMost, 1);
  let i = Math.max(lowerBound(at, from) - 1, 0);
  context.fillStyle = colour("queue");
  context.beginPath();
  context.moveTo(x(from), top + height);
  let last = length[i] || 0, pixel = -1, most = 0;
  for (; i < at.length && at[i] <= to; i++) {
    const place = Math.floor(x(Math.max(at[i], from)));
    if (place !== pixel) {
      context.lineTo(place, top + height - most * scale);
      context.lineTo(place, top + height - last * scale);
      pixel = place;
      most = last;
    }
    last = length[i];
    most = Math.max(most, last);
  }
  context.lineTo(pixel + 1, top + height - most * scale);
  context.lineTo(pixel + 1, top + height - last * scale);
  context.lineTo(x(to), top + height - last * scale);
  context.lineTo(x(to), top + height);
  context.fill();
}

// Compilations as bars in the colours of their levels; names where they fit.
function compileLane(run, {compiles, starts, ends}, {context, top, height, x, from, to, state}) {
  let busyUntil = -1;
  for (let p = lowerBound(ends, from); p < compiles.length; p++) {
    const i = compiles[p], start = starts[p];
    if (ends[p] - run.longest > to) break;
    if (start > to) continue;
    const left = x(Math.max(start, from)), right = x(Math.min(ends[p], to));
    // Bars that share a pixel look as one.
    if (right < busyUntil) continue;
    const width = Math.max(right - left, 1);
    busyUntil = Math.floor(left + width);
    context.fillStyle = levelColour(run.level[i]);
    context.globalAlpha = run.loop[i] < 0 ? 1 : 0.65;
    context.fillRect(left, top + 2, width, height - 4);
    context.globalAlpha = 1;
    if (i === state.selected) {
      context.strokeStyle = colour("ink");
      context.strokeRect(left + 0.5, top + 1.5, Math.max(width - 1, 1), height - 3);
    }
    if (width > 60) {
      context.fillStyle = colour("on-level");
      context.textAlign = "left";
      const name = run.subject(i), room = Math.floor((width - 8) / 6.2);
      context.fillText(name.length > room ? name.slice(0, room - 1) + "…" : name, left + 4, top + height / 2 + 4);
    }
  }
}

// Events as bars, one per step of pixels: the more events, the higher. Kinds of events are stacked.
function marksLane({list, times, kinds}, colours, {context, top, height, x, from, to, state}) {
  const step = 2;
  const fills = colours.map(colour);
  const first = lowerBound(times, from);
  // In sight and close to each other: their numbers. Few: all of the lane's height.
  const few = lowerBound(times, to) - first < 120;
  const room = height - 4;
  const counts = new Uint32Array(colours.length);
  let pixel = NONE;
  const flush = () => {
    const all = counts.reduce((sum, count) => sum + count, 0);
    if (all === 0) return;
    let bottom = top + height - 2;
    const whole = few ? room : Math.min(room, (room * Math.log2(1 + all)) / 6);
    counts.forEach((count, kind) => {
      const part = (whole * count) / all;
      context.fillStyle = fills[kind];
      context.fillRect(pixel * step, bottom - part, step - 0.5, part);
      bottom -= part;
    });
    counts.fill(0);
  };
  for (let p = first; p < list.length && times[p] <= to; p++) {
    const place = Math.floor(x(times[p]) / step);
    if (place !== pixel) flush();
    pixel = place;
    counts[kinds[p]]++;
  }
  flush();
  const chosen = list.indexOf(state.selected);
  if (chosen >= 0 && times[chosen] >= from && times[chosen] <= to) {
    context.fillStyle = colour("ink");
    context.fillRect(Math.round(x(times[chosen])) - 1, top + 1, 3, height - 2);
  }
}
