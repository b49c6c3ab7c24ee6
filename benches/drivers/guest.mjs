// A program's memory, as system calls see it: little-endian numbers, strings and lists of buffers.

/** Pointers and lengths come as signed numbers of 32 bits and are taken as unsigned. */
export class Guest {
  #memory;
  #view = new DataView(new ArrayBuffer(0));

  constructor(memory) {
    if (!(memory instanceof WebAssembly.Memory)) throw new Error('no memory is exported');
    this.#memory = memory;
  }

  /** The memory as it is now: growing it replaces the buffer. */
  get #now() {
    const { buffer } = this.#memory;
    if (this.#view.buffer !== buffer) this.#view = new DataView(buffer);
    return this.#view;
  }

  bytes(at, length) {
    return new Uint8Array(this.#now.buffer, at >>> 0, length >>> 0);
  }

  string(at, length) {
    return Buffer.from(this.bytes(at, length)).toString();
  }

  u8(at) {
    return this.#now.getUint8(at >>> 0);
  }

  u16(at) {
    return this.#now.getUint16(at >>> 0, true);
  }

  u32(at) {
    return this.#now.getUint32(at >>> 0, true);
  }

  u64(at) {
    return this.#now.getBigUint64(at >>> 0, true);
  }

  put8(at, value) {
    this.#now.setUint8(at >>> 0, value);
  }

  put16(at, value) {
    this.#now.setUint16(at >>> 0, value, true);
  }

  put32(at, value) {
    this.#now.setUint32(at >>> 0, value, true);
  }

  put64(at, value) {
    this.#now.setBigUint64(at >>> 0, BigInt(value), true);
  }

  /** Copies bytes in. */
  put(at, bytes) {
    this.bytes(at, bytes.length).set(bytes);
  }

  /** The buffers that a list of pointers and lengths names. */
  buffers(at, count) {
    const buffer = (_, i) => this.bytes(this.u32(at + 8 * i), this.u32(at + 8 * i + 4));
    return Array.from({ length: count }, buffer);
  }

  /** Writes strings one after the other, and the list of pointers to them. */
  putStrings(list, pointers, at) {
    for (const text of list) {
      this.put32(pointers, at);
      this.put(at, text);
      pointers += 4;
      at += text.length;
    }
  }

  /** Writes how many strings there are and how many bytes they have together. */
  putSizes(list, count, bytes) {
    this.put32(count, list.length);
    this.put32(bytes, list.reduce((sum, text) => sum + text.length, 0));
  }
}
