// A run: its events in columns, and what follows from them.
//
// The data has a column for each property of events. `tables` has, for each kind of event, the
// columns of its own fields; a column with one value throughout is `{same: value}`.

const NONE = -1;

class Run {
  constructor(data) {
    this.label = data.label;
    this.facts = data.facts;
    this.levels = data.levels;
    this.totals = data.totals;
    this.notes = data.notes;
    this.kinds = data.kinds;
    this.threads = data.threads;
    this.end = Math.max(data.end, 1);
    this.code = data.code;
    this.funcs = data.functions;
    this.count = data.functions.name.length;
    this.readEvents(data.events);
    this.tables = data.tables;
    this.index();
    this.derive();
  }

  readEvents(events) {
    const n = events.at.length;
    this.n = n;
    this.at = new Float64Array(n);
    this.row = new Int32Array(n);
    const rows = new Int32Array(this.kinds.length);
    let now = 0;
    for (let i = 0; i < n; i++) {
      now += events.at[i];
      this.at[i] = now;
      this.row[i] = rows[events.kind[i]]++;
    }
    const column = (Type, values) =>
      Array.isArray(values) ? Type.from(values) : new Type(n).fill(values.same);
    this.kind = column(Uint8Array, events.kind);
    this.thread = column(Int32Array, events.thread);
    this.func = column(Int32Array, events.func);
    this.loop = column(Int32Array, events.loop);
    this.level = column(Int32Array, events.level);
    this.req = column(Int32Array, events.req);
    this.cpu = column(Float64Array, events.cpu);
  }

  // The places of all events of a function, in order of time.
  index() {
    const starts = new Int32Array(this.count + 1);
    for (let i = 0; i < this.n; i++) if (this.func[i] >= 0) starts[this.func[i] + 1]++;
    for (let f = 0; f < this.count; f++) starts[f + 1] += starts[f];
    const next = starts.slice();
    const items = new Int32Array(starts[this.count]);
    for (let i = 0; i < this.n; i++) if (this.func[i] >= 0) items[next[this.func[i]]++] = i;
    this.starts = starts;
    this.items = items;
  }

  eventsOf(func) {
    return this.items.subarray(this.starts[func], this.starts[func + 1]);
  }

  // A field of an event; undefined if events of its kind have none of that name.
  get(i, field) {
    const column = this.tables[this.kind[i]]?.[field];
    if (column === undefined) return undefined;
    return Array.isArray(column) ? column[this.row[i]] : column.same;
  }

  // All fields of an event that have a value, as pairs.
  fields(i) {
    const names = Object.keys(this.tables[this.kind[i]] || {});
    return names.map((name) => [name, this.get(i, name)]).filter(([, value]) => value != null);
  }

  kindName(i) {
    return this.kinds[this.kind[i]];
  }

  name(func) {
    return this.funcs.name[func] ?? `func[${this.funcs.index[func]}]`;
  }

  subject(i) {
    const name = this.func[i] < 0 ? "" : this.name(this.func[i]);
    return this.loop[i] < 0 ? name : `${name} loop ${this.loop[i]}`;
  }

  derive() {
    const number = (name) => this.kinds.indexOf(name);
    const [finished, published, osrReady, osrEntered, decided, queued, dequeued, dropped, exhausted] = [
      "compile-finished", "published", "osr-ready", "osr-entered", "decided", "request-queued",
      "dequeued", "request-dropped", "budget-exhausted"].map(number);
    const started = number("compile-started"), sample = number("sample");
    const levels = this.levels.length;
    const per = (Type, value = 0) => new Type(this.count).fill(value);
    this.work = per(Float64Array);
    this.decisionsOf = per(Int32Array);
    this.requestsOf = per(Int32Array);
    this.entriesOf = per(Int32Array);
    this.codeBytes = per(Float64Array);
    this.finalLevel = per(Int32Array, NONE);
    this.firstRise = per(Float64Array, NaN);
    this.samplesOf = per(Float64Array);
    this.compileTime = Array.from({length: levels}, () => per(Float64Array));
    this.compiles = [];
    this.decisions = [];
    this.marks = [];
    const queue = {at: [0], length: [0]};
    this.changes = [];
    for (let i = 0; i < this.n; i++) {
      const f = this.func[i], kind = this.kind[i], level = this.level[i];
      const work = (units) => {
        if (units > this.work[f]) this.work[f] = units;
      };
      if (kind === finished) {
        const took = this.get(i, "time") || 0;
        this.compiles.push(i);
        if (level < levels && level >= 0) this.compileTime[level][f] += took;
      } else if (kind === decided) {
        this.decisions.push(i);
        this.decisionsOf[f]++;
        work(this.get(i, "view.units"));
      } else if (kind === queued || kind === dequeued) {
        if (kind === queued) this.requestsOf[f]++;
        queue.at.push(this.at[i]);
        queue.length.push(this.get(i, "queue_length"));
      } else if (kind === published) {
        if (this.loop[i] < 0) {
          this.changes.push(i);
          this.finalLevel[f] = level;
          this.codeBytes[f] = this.get(i, "code_bytes");
          if (level > 0 && Number.isNaN(this.firstRise[f])) this.firstRise[f] = this.at[i];
        }
        if (level > 0) this.marks.push(i);
      } else if (kind === osrReady || kind === dropped) {
        this.marks.push(i);
      } else if (kind === osrEntered) {
        this.entriesOf[f]++;
      } else if (kind === exhausted || kind === started) {
        work(this.get(i, "units"));
      } else if (kind === sample && f >= 0) {
        this.samplesOf[f]++;
      }
    }
    this.queue = queue;
    this.queueMost = queue.length.reduce((most, length) => Math.max(most, length), 0);
    // Sorted by their beginnings, for what is visible of them.
    this.compileStart = Float64Array.from(this.compiles, (i) => this.at[i] - (this.get(i, "time") || 0));
    this.decisionAt = Float64Array.from(this.decisions, (i) => this.at[i]);
    this.longest = this.compiles.reduce((most, i) => Math.max(most, this.get(i, "time") || 0), 0);
  }

  // Whether a decision requests code.
  requests(i) {
    return this.get(i, "answer.function.level") != null || this.get(i, "answer.osr.level") != null;
  }

  // The code that a function's calls run over time: pairs of a time and a level.
  levelsOf(func) {
    const published = this.kinds.indexOf("published");
    const changes = [];
    for (const i of this.eventsOf(func)) {
      if (this.kind[i] === published && this.loop[i] < 0) changes.push([this.at[i], this.level[i]]);
    }
    return changes;
  }
}
