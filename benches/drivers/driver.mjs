// Takes part in the benchmarks for engines that run JavaScript: does the task in the last argument
// and prints what it measured, as src/task.rs describes. Runs under Node.js and Bun alike, with the
// same WASI for both.
//
// Engines are configured from outside, with options before this file's name or with environment
// variables; nothing here knows which engine it runs in.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { nothing } from './imports.mjs';
import { defineImports, evaluate, script } from './ruby.mjs';
import { Exit, Wasi } from './wasi.mjs';

/** The engine does not accept the module. */
class Refused extends Error {}

/** A clock of wall time and of processor time over all threads of the process, in seconds. */
class Stopwatch {
  #cpu = process.cpuUsage();
  #wall = performance.now();

  elapsed() {
    const wall = (performance.now() - this.#wall) / 1e3;
    const { user, system } = process.cpuUsage(this.#cpu);
    return { wall, cpu: (user + system) / 1e6 };
  }
}

function compile(wasm) {
  try {
    return new WebAssembly.Module(wasm);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) throw new Refused(error.message);
    throw error;
  }
}

function load(wasm) {
  const watch = new Stopwatch();
  const module = compile(wasm);
  const { wall, cpu } = watch.elapsed();
  return { module, figures: { 'load-wall': wall, 'load-cpu': cpu } };
}

/** Runs the job in an instance of its own: its exit code, standard output and output files. */
function runOnce(module, job, scratch) {
  const wasi = new Wasi({ args: job.args, env: job.env, mounts: job.mounts });
  let exit = 0;
  try {
    if (job.driver === 'ruby') {
      const imports = defineImports(module, wasi.imports);
      const instance = new WebAssembly.Instance(module, imports);
      wasi.bind(instance.exports.memory);
      evaluate(instance, script(job));
    } else {
      const instance = new WebAssembly.Instance(module, wasi.imports);
      wasi.bind(instance.exports.memory);
      instance.exports._start();
    }
  } catch (error) {
    if (!(error instanceof Exit)) {
      const said = wasi.stderr().trim();
      if (said) error.message += `; standard error ended with: ${said}`;
      throw error;
    }
    exit = error.code;
  } finally {
    wasi.close();
  }
  const files = [];
  for (const name of [...job.outputs].sort()) {
    const file = path.join(scratch, name);
    if (fs.existsSync(file)) files.push([name, fs.readFileSync(file)]);
  }
  for (const name of fs.readdirSync(scratch)) {
    fs.rmSync(path.join(scratch, name), { recursive: true });
  }
  return { exit, stdout: wasi.stdout(), files };
}

/** What src/task.rs defines as the digest of a run's output. */
function digest({ exit, stdout, files }) {
  const hash = createHash('sha256');
  hash.update(`${exit}\n`).update(stdout);
  for (const [name, content] of files) hash.update(`${name}\n`).update(content);
  return hash.digest('hex');
}

/** Calls `work` with the job and a folder made for it, which it has at /tmp. */
function withScratch(job, work) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'upshift-driver-'));
  try {
    return work({ ...job, mounts: [...job.mounts, ['/tmp', folder]] }, folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function run(task) {
  const wasm = fs.readFileSync(task.wasm);
  const watch = new Stopwatch();
  const { module, figures } = load(wasm);
  const iterations = [];
  let output = '';
  withScratch(task.job, (job, scratch) => {
    for (let number = 0; number < Math.max(1, task.iterations); number++) {
      const start = watch.elapsed();
      if (number > 0 && start.wall > task.seconds) break;
      const outcome = runOnce(module, job, scratch);
      const end = watch.elapsed();
      iterations.push({ at: start.wall, wall: end.wall - start.wall, cpu: end.cpu - start.cpu });
      const found = digest(outcome);
      if (number === 0) {
        output = found;
        figures['first-result'] = end.wall;
      } else if (found !== output) {
        throw new Error(`run ${number} gave another output than the first`);
      }
    }
  });
  const total = watch.elapsed();
  figures['total-wall'] = total.wall;
  figures['total-cpu'] = total.cpu;
  return { figures, iterations, output };
}

/** Nanoseconds of each of `count` calls or other things that `work` does. */
function each(count, work) {
  const start = performance.now();
  work();
  return ((performance.now() - start) * 1e6) / count;
}

function calls({ wasm, imported, count }) {
  const other = new WebAssembly.Instance(compile(fs.readFileSync(imported)), {});
  const imports = { host: { leaf: (x) => (x + 1) | 0 }, other: other.exports };
  const { exports } = new WebAssembly.Instance(compile(fs.readFileSync(wasm)), imports);
  const fromHost = (n) => {
    let x = 0;
    for (let i = 0; i < n; i++) x = exports.leaf(x);
    return x;
  };
  const kinds = {
    'host-to-wasm': fromHost,
    'wasm-to-host': exports.host,
    direct: exports.direct,
    indirect: exports.indirect,
    import: exports.import,
  };
  const figures = {};
  for (const [kind, work] of Object.entries(kinds)) {
    for (let round = 0; round < 10; round++) work(count);
    figures[kind] = each(count, () => {
      const result = work(count);
      if (result !== count) throw new Error(`${count} calls (${kind}) counted to ${result}`);
    });
  }
  return { figures };
}

function instances({ wasm, count }) {
  const bytes = fs.readFileSync(wasm);
  const { module, figures } = load(bytes);
  const imports = nothing(bytes);
  const make = () => {
    for (let i = 0; i < count; i++) new WebAssembly.Instance(module, imports);
  };
  make();
  figures.instance = each(count, make);
  return { figures };
}

function work(task) {
  switch (task.kind) {
    case 'load':
      return { figures: load(fs.readFileSync(task.wasm)).figures };
    case 'run':
      return run(task);
    case 'calls':
      return calls(task);
    case 'instances':
      return instances(task);
    default:
      throw new Error(`this driver does not know tasks of the kind \`${task.kind}\``);
  }
}

/** The answer to a task, and whether it could be done. */
function answer(text) {
  try {
    return [work(JSON.parse(text)), true];
  } catch (error) {
    if (error instanceof Refused) return [{ refused: error.message }, true];
    return [{ error: `${error.name}: ${error.message}` }, false];
  }
}

const [result, done] = answer(process.argv.at(-1));
fs.writeSync(1, `${JSON.stringify(result)}\n`);
// At once: compilers in the background must not go on for nothing.
process.exit(done ? 0 : 1);
