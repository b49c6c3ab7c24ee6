// Drives Ruby's library build: no command, but functions that take and return strings. The same as
// src/engines/ruby.rs does for engines that are linked in.

import fs from 'node:fs';
import path from 'node:path';

/** The script that the job's first argument names, from its mounted folder. */
export function script(job) {
  const [name, scale = '1'] = job.args;
  const mount = job.mounts.find(([guest]) => guest === path.posix.dirname(name));
  if (!mount) throw new Error(`the folder of the script \`${name}\` is not mounted`);
  const text = fs.readFileSync(path.join(mount[1], path.posix.basename(name)), 'utf8');
  return `$scale = ${scale}\n${text}`;
}

/** WASI's imports and Ruby's own. */
export function defineImports(module, wasi) {
  const imports = { ...wasi };
  // Values of Ruby that the host would hold are handles; this host hands them back as they are.
  const handles = {
    'resource_new_rb-abi-value': (value) => value,
    'resource_get_rb-abi-value': (handle) => handle,
    'resource_drop_rb-abi-value': () => {},
  };
  for (const { module: owner, name } of WebAssembly.Module.imports(module)) {
    if (owner in wasi) continue;
    imports[owner] ??= {};
    // The rest is for calls from Ruby to JavaScript.
    imports[owner][name] = (owner === 'canonical_abi' && handles[name]) || (() => {
      throw new Error(`the script called \`${owner}.${name}\`, which is not available`);
    });
  }
  return imports;
}

/** Evaluates a script. */
export function evaluate({ exports }, text) {
  const { memory, cabi_realloc: realloc } = exports;
  const put = (bytes, align) => {
    const at = realloc(0, 0, align, bytes.length) >>> 0;
    new Uint8Array(memory.buffer).set(bytes, at);
    return [at, bytes.length];
  };
  const putString = (string) => put(new TextEncoder().encode(string), 1);
  exports._initialize();
  const args = ['ruby\0', '--disable-gems\0', '-e_=0\0'];
  const list = Uint32Array.from(args.flatMap(putString));
  const [at] = put(new Uint8Array(list.buffer), 4);
  exports['ruby-init: func(args: list<string>) -> ()'](at, args.length);
  const evaluateString =
    exports['rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>'];
  const result = evaluateString(...putString(text)) >>> 0;
  // The pair of a value and a state, which is not 0 if an exception got out.
  if (new DataView(memory.buffer).getInt32(result + 4, true) !== 0) {
    throw new Error('the script ended with an exception');
  }
}
