// Imports that do nothing, of the types that a module asks for.
//
// WebAssembly.Module.imports tells kinds but neither limits nor types, so this reads the type and
// import sections itself.

/** Reads a module's binary format, front to back. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    if (this.at >= this.bytes.length) throw new Error('the module ends too early');
    return this.bytes[this.at++];
  }

  /** An unsigned number in LEB128. */
  number() {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  name() {
    const length = this.number();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  list(read) {
    return Array.from({ length: this.number() }, () => read(this));
  }

  limits() {
    const flags = this.byte();
    if (flags & ~3) throw new Error(`limits with the flags ${flags} are not known to this driver`);
    const limits = { initial: this.number() };
    if (flags & 1) limits.maximum = this.number();
    return { ...limits, shared: (flags & 2) !== 0 };
  }
}

const VALUES = {
  0x7f: 'i32', 0x7e: 'i64', 0x7d: 'f32', 0x7c: 'f64', 0x70: 'anyfunc', 0x6f: 'externref',
};

function valueType(reader) {
  const code = reader.byte();
  const type = VALUES[code];
  if (!type) throw new Error(`the type 0x${code.toString(16)} is not known to this driver`);
  return type;
}

function functionType(reader) {
  if (reader.byte() !== 0x60) throw new Error('only types of functions are known to this driver');
  return { params: reader.list(valueType), results: reader.list(valueType) };
}

/** A value of a type that says nothing. */
function zero(type) {
  if (type === 'i64') return 0n;
  return type === 'anyfunc' || type === 'externref' ? null : 0;
}

function functionOf({ results }) {
  const values = results.map(zero);
  const result = values.length > 1 ? values : values[0];
  return () => result;
}

function importOf(reader, types) {
  const kind = reader.byte();
  switch (kind) {
    case 0:
      return functionOf(types[reader.number()]);
    case 1: {
      const element = valueType(reader);
      const { initial, maximum } = reader.limits();
      return new WebAssembly.Table({ element, initial, ...(maximum !== undefined && { maximum }) });
    }
    case 2:
      return new WebAssembly.Memory(reader.limits());
    case 3: {
      const value = valueType(reader);
      const mutable = reader.byte() === 1;
      return new WebAssembly.Global({ value, mutable }, zero(value));
    }
    default:
      throw new Error(`imports of the kind ${kind} are not known to this driver`);
  }
}

/** An import object for a module in the binary format. */
export function nothing(bytes) {
  const reader = new Reader(bytes);
  reader.at = 8;
  const imports = {};
  let types = [];
  while (reader.at < bytes.length) {
    const section = reader.byte();
    const end = reader.number() + reader.at;
    if (section === 1) types = reader.list(functionType);
    if (section === 2) {
      reader.list(() => {
        const [owner, name] = [reader.name(), reader.name()];
        imports[owner] ??= {};
        imports[owner][name] = importOf(reader, types);
      });
    }
    reader.at = end;
  }
  return imports;
}
