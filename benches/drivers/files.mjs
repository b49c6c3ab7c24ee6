// Open files and folders of the host, and what WASI says about them.

import fs from 'node:fs';
import path from 'node:path';

export const TYPE = { UNKNOWN: 0, DIRECTORY: 3, FILE: 4, LINK: 7 };
/** A flag of an open file: what is written goes to its end. */
export const APPEND = 1;

const OPEN = { CREATE: 1, DIRECTORY: 2, EXCLUSIVE: 4, TRUNCATE: 8 };
const RIGHT_READ = 1n << 1n;
const RIGHT_WRITE = 1n << 6n;
const SET_TIME = { ACCESS: 1, ACCESS_NOW: 2, MODIFIED: 4, MODIFIED_NOW: 8 };

/** A call fails with an error's name, such as `ENOENT`. */
export class Failure {
  constructor(code) {
    this.code = code;
  }
}

/** The type of what a `Stats` is about. */
export function fileType(stats) {
  if (stats.isDirectory()) return TYPE.DIRECTORY;
  if (stats.isFile()) return TYPE.FILE;
  return stats.isSymbolicLink() ? TYPE.LINK : TYPE.UNKNOWN;
}

/** Opens what is at a path of the host; `oflags`, `rights` and `flags` are those of `path_open`. */
export function open(host, oflags, rights, flags) {
  const has = (flag) => (oflags & flag) !== 0;
  const stats = fs.statSync(host, { throwIfNoEntry: false });
  if (stats?.isDirectory()) {
    if (has(OPEN.CREATE) && has(OPEN.EXCLUSIVE)) throw new Failure('EEXIST');
    if (has(OPEN.TRUNCATE)) throw new Failure('EISDIR');
    return { kind: 'folder', host };
  }
  if (has(OPEN.DIRECTORY)) throw new Failure(stats ? 'ENOTDIR' : 'ENOENT');
  const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
  const writes = (rights & RIGHT_WRITE) !== 0n;
  const reads = (rights & RIGHT_READ) !== 0n;
  let mode = O_RDONLY;
  if (writes) mode = reads ? O_RDWR : O_WRONLY;
  if (has(OPEN.CREATE)) mode |= O_CREAT;
  if (has(OPEN.EXCLUSIVE)) mode |= O_EXCL;
  if (has(OPEN.TRUNCATE)) mode |= O_TRUNC;
  return { kind: 'file', file: fs.openSync(host, mode, 0o666), position: 0, flags };
}

/** What the host knows of an open file or folder; nothing about standard input and output. */
export function stats({ kind, file, host }) {
  if (kind === 'file') return fs.fstatSync(file, { bigint: true });
  if (kind === 'folder') return fs.statSync(host, { bigint: true });
  return undefined;
}

/** Fills buffers from a position of a file on; returns the number of bytes. */
export function read({ file }, buffers, position) {
  let total = 0;
  for (const bytes of buffers) {
    const count = fs.readSync(file, bytes, 0, bytes.length, position + total);
    total += count;
    if (count < bytes.length) break;
  }
  return total;
}

/** Writes buffers from a position of a file on; returns the number of bytes. */
export function write({ file }, buffers, position) {
  let total = 0;
  for (const bytes of buffers) {
    for (let done = 0; done < bytes.length; ) {
      const count = fs.writeSync(file, bytes, done, bytes.length - done, position + total);
      done += count;
      total += count;
    }
  }
  return total;
}

/**
 * A folder's names with their types and numbers. Without a number the guest's C library asks for
 * the status of each, and gives up where `..` leads out of the folder.
 */
function entries({ host }) {
  return ['.', '..', ...fs.readdirSync(host)].map((name) => {
    const found = fs.lstatSync(path.join(host, name), { bigint: true });
    return { name: Buffer.from(name), type: fileType(found), number: found.ino };
  });
}

/** At most `length` bytes of a folder's entries from a number on, as `fd_readdir` gives them. */
export function readFolder(folder, length, from) {
  // As they were when reading began.
  if (from === 0 || !folder.entries) folder.entries = entries(folder);
  const parts = [];
  let total = 0;
  for (let i = from; i < folder.entries.length && total < length; i++) {
    const { name, type, number } = folder.entries[i];
    const head = Buffer.alloc(24);
    head.writeBigUInt64LE(BigInt(i + 1), 0);
    head.writeBigUInt64LE(number, 8);
    head.writeUInt32LE(name.length, 16);
    head.writeUInt8(type, 20);
    parts.push(head, name);
    total += head.length + name.length;
  }
  // What does not fit is cut off, which tells the program to come back with a larger buffer.
  return Buffer.concat(parts).subarray(0, length);
}

/** Writes a `filestat`. */
export function putStats(guest, at, found) {
  guest.put64(at, found.dev);
  guest.put64(at + 8, found.ino);
  guest.put64(at + 16, fileType(found));
  guest.put64(at + 24, found.nlink);
  guest.put64(at + 32, found.size);
  guest.put64(at + 40, found.atimeNs);
  guest.put64(at + 48, found.mtimeNs);
  guest.put64(at + 56, found.ctimeNs);
}

/** Times of access and modification in seconds, after a call that sets some of them. */
export function newTimes(found, atime, mtime, flags) {
  const seconds = (given, now, value, old) => {
    if (flags & given) return Number(value) / 1e9;
    return flags & now ? Date.now() / 1e3 : Number(old) / 1e9;
  };
  return [
    seconds(SET_TIME.ACCESS, SET_TIME.ACCESS_NOW, atime, found.atimeNs),
    seconds(SET_TIME.MODIFIED, SET_TIME.MODIFIED_NOW, mtime, found.mtimeNs),
  ];
}
