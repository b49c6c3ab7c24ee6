// WASI preview 1 on Node's synchronous file functions, which Bun has as well. One implementation
// for both, because the engines' own ones differ in what they support.
//
// It is for programs that are trusted: paths can't leave a mounted folder by their names, but
// symbolic links are followed wherever they lead. Standard input is empty, standard output is kept
// in memory, and there are no sockets.

import { randomFillSync } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

import {
  APPEND, Failure, TYPE, fileType, newTimes, open, putStats, read, readFolder, stats, write,
} from './files.mjs';
import { Guest } from './guest.mjs';

/** Codes of errors, by the names that the host has for them too. */
const ERRNO = {
  SUCCESS: 0, EACCES: 2, EBADF: 8, EBUSY: 10, EEXIST: 20, EFBIG: 22, EINVAL: 28, EIO: 29,
  EISDIR: 31, ELOOP: 32, EMFILE: 33, ENAMETOOLONG: 37, ENOENT: 44, ENOSPC: 51, ENOSYS: 52,
  ENOTDIR: 54, ENOTEMPTY: 55, ENOTSUP: 58, EPERM: 63, EPIPE: 64, EROFS: 69, ESPIPE: 70, EXDEV: 75,
  ENOTCAPABLE: 76,
};
const ALL_RIGHTS = (1n << 30n) - 1n;
const CLOCK = { REALTIME: 0, PROCESS: 2, THREAD: 3 };
const EVENT_CLOCK = 0;
const ABSOLUTE_TIME = 1;
const FOLLOW_LINKS = 1;
/** How much of standard error is kept, in characters. */
const STDERR_TAIL = 1000;

/** The program ended by itself. Thrown through its frames. */
export class Exit {
  constructor(code) {
    this.code = code;
  }
}

function now(clock) {
  if (clock === CLOCK.REALTIME) return BigInt(Date.now()) * 1_000_000n;
  if (clock === CLOCK.PROCESS || clock === CLOCK.THREAD) {
    const { user, system } = process.cpuUsage();
    return BigInt(user + system) * 1000n;
  }
  return process.hrtime.bigint();
}

/** What the system calls of one run work on. */
export class Wasi {
  #guest;
  #args;
  #environ;
  #descriptors;
  #stdout = [];
  #stderr = '';

  /** `env` and `mounts` are lists of pairs: name and value, the guest's folder and the host's. */
  constructor({ args, env, mounts }) {
    const strings = (list) => list.map((text) => Buffer.from(`${text}\0`));
    this.#args = strings(args);
    this.#environ = strings(env.map(([name, value]) => `${name}=${value}`));
    this.#descriptors = [
      { kind: 'input' },
      { kind: 'output', write: (bytes) => this.#stdout.push(Buffer.from(bytes)) },
      { kind: 'output', write: (bytes) => this.#keepError(bytes) },
      ...mounts.map(([guest, host]) => ({ kind: 'folder', host, mount: Buffer.from(guest) })),
    ];
    for (const { host } of this.#descriptors.slice(3)) {
      if (!fs.statSync(host).isDirectory()) throw new Error(`\`${host}\` is not a folder`);
    }
  }

  /** Has to be called before the program is. */
  bind(memory) {
    this.#guest = new Guest(memory);
  }

  /** What was printed to standard output. */
  stdout() {
    return Buffer.concat(this.#stdout);
  }

  /** The end of what was printed to standard error. */
  stderr() {
    return this.#stderr;
  }

  /** Closes what the program left open. */
  close() {
    for (const descriptor of this.#descriptors) {
      if (descriptor?.kind === 'file') fs.closeSync(descriptor.file);
    }
    this.#descriptors = [];
  }

  /** The object to instantiate the program with. */
  get imports() {
    const calls = {};
    for (const [name, call] of Object.entries(this.#calls())) {
      calls[name] = (...args) => {
        try {
          call(...args);
          return ERRNO.SUCCESS;
        } catch (error) {
          const errno = error instanceof Exit ? undefined : ERRNO[error.code];
          if (errno === undefined) throw error;
          return errno;
        }
      };
    }
    return { wasi_snapshot_preview1: calls };
  }

  #keepError(bytes) {
    const text = this.#stderr + Buffer.from(bytes).toString();
    this.#stderr = text.slice(-STDERR_TAIL);
  }

  #descriptor(fd, kind) {
    const descriptor = this.#descriptors[fd];
    if (!descriptor) throw new Failure('EBADF');
    if (kind && descriptor.kind !== kind) {
      throw new Failure(kind === 'folder' ? 'ENOTDIR' : 'EBADF');
    }
    return descriptor;
  }

  #add(descriptor) {
    let fd = 3;
    while (this.#descriptors[fd]) fd++;
    this.#descriptors[fd] = descriptor;
    return fd;
  }

  /** The host's path of a guest's path below an open folder. */
  #path(fd, at, length) {
    const { host } = this.#descriptor(fd, 'folder');
    const name = this.#guest.string(at, length);
    const normal = path.posix.normalize(name);
    if (name === '') throw new Failure('ENOENT');
    if (normal.startsWith('/') || normal === '..' || normal.startsWith('../')) {
      throw new Failure('ENOTCAPABLE');
    }
    return path.join(host, normal);
  }

  /** Waits for clocks only: files are always ready. */
  #poll(subscriptions, events, count) {
    const guest = this.#guest;
    const all = Array.from({ length: count }, (_, i) => {
      const at = (subscriptions >>> 0) + 48 * i;
      const event = { user: guest.u64(at), type: guest.u8(at + 8), wait: 0n };
      if (event.type === EVENT_CLOCK) {
        const absolute = guest.u16(at + 40) & ABSOLUTE_TIME;
        event.wait = guest.u64(at + 24) - (absolute ? now(guest.u32(at + 16)) : 0n);
      }
      return event;
    });
    const shortest = all.reduce((least, { wait }) => (wait < least ? wait : least), all[0].wait);
    if (shortest > 0n) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(shortest) / 1e6);
    }
    const ready = all.filter(({ wait }) => wait <= shortest || wait <= 0n);
    ready.forEach(({ user, type }, i) => {
      const at = (events >>> 0) + 32 * i;
      guest.bytes(at, 32).fill(0);
      guest.put64(at, user);
      guest.put8(at + 10, type);
    });
    return ready.length;
  }

  /** The system calls by their names. They return nothing, and throw what has a code in `ERRNO`. */
  #calls() {
    const unsupported = () => {
      throw new Failure('ENOTSUP');
    };
    return { ...this.#processCalls(), ...this.#descriptorCalls(), ...this.#pathCalls(),
      sock_accept: unsupported, sock_recv: unsupported, sock_send: unsupported,
      sock_shutdown: unsupported };
  }

  #processCalls() {
    return {
      args_get: (pointers, at) => this.#guest.putStrings(this.#args, pointers, at),
      args_sizes_get: (count, bytes) => this.#guest.putSizes(this.#args, count, bytes),
      environ_get: (pointers, at) => this.#guest.putStrings(this.#environ, pointers, at),
      environ_sizes_get: (count, bytes) => this.#guest.putSizes(this.#environ, count, bytes),
      clock_res_get: (clock, at) => {
        this.#guest.put64(at, clock === CLOCK.REALTIME ? 1_000_000 : 1_000);
      },
      clock_time_get: (clock, precision, at) => this.#guest.put64(at, now(clock)),
      poll_oneoff: (subscriptions, events, count, at) => {
        if (count === 0) throw new Failure('EINVAL');
        this.#guest.put32(at, this.#poll(subscriptions, events, count));
      },
      proc_exit: (code) => {
        throw new Exit(code);
      },
      proc_raise: () => {
        throw new Failure('ENOSYS');
      },
      random_get: (at, length) => randomFillSync(this.#guest.bytes(at, length)),
      sched_yield: () => {},
    };
  }

  #descriptorCalls() {
    const file = (fd) => this.#descriptor(fd, 'file');
    return {
      fd_advise: (fd) => void file(fd),
      fd_allocate: (fd, offset, length) => {
        const { file: host } = file(fd);
        const size = Number(offset + length);
        if (fs.fstatSync(host).size < size) fs.ftruncateSync(host, size);
      },
      fd_close: (fd) => {
        const descriptor = this.#descriptor(fd);
        this.#descriptors[fd] = undefined;
        if (descriptor.kind === 'file') fs.closeSync(descriptor.file);
      },
      fd_datasync: (fd) => fs.fdatasyncSync(file(fd).file),
      fd_sync: (fd) => fs.fsyncSync(file(fd).file),
      fd_fdstat_get: (fd, at) => {
        const descriptor = this.#descriptor(fd);
        const found = stats(descriptor);
        this.#guest.put64(at, found ? fileType(found) : TYPE.UNKNOWN);
        this.#guest.put16(at + 2, descriptor.flags ?? 0);
        this.#guest.put64(at + 8, ALL_RIGHTS);
        this.#guest.put64(at + 16, ALL_RIGHTS);
      },
      fd_fdstat_set_flags: (fd, flags) => {
        this.#descriptor(fd).flags = flags;
      },
      fd_filestat_get: (fd, at) => {
        const found = stats(this.#descriptor(fd));
        if (found) putStats(this.#guest, at, found);
        else this.#guest.bytes(at, 64).fill(0);
      },
      fd_filestat_set_size: (fd, size) => fs.ftruncateSync(file(fd).file, Number(size)),
      fd_filestat_set_times: (fd, atime, mtime, flags) => {
        const descriptor = file(fd);
        fs.futimesSync(descriptor.file, ...newTimes(stats(descriptor), atime, mtime, flags));
      },
      fd_prestat_get: (fd, at) => {
        const { mount } = this.#descriptor(fd);
        if (!mount) throw new Failure('EBADF');
        this.#guest.put32(at, 0);
        this.#guest.put32(at + 4, mount.length);
      },
      fd_prestat_dir_name: (fd, at, length) => {
        const { mount } = this.#descriptor(fd);
        if (!mount) throw new Failure('EBADF');
        if (length < mount.length) throw new Failure('ENAMETOOLONG');
        this.#guest.put(at, mount);
      },
      fd_read: (fd, vectors, count, at) => {
        const descriptor = this.#descriptor(fd);
        if (descriptor.kind === 'input') return this.#guest.put32(at, 0);
        const total = read(file(fd), this.#guest.buffers(vectors, count), descriptor.position);
        descriptor.position += total;
        return this.#guest.put32(at, total);
      },
      fd_pread: (fd, vectors, count, offset, at) => {
        this.#guest.put32(at, read(file(fd), this.#guest.buffers(vectors, count), Number(offset)));
      },
      fd_write: (fd, vectors, count, at) => {
        const descriptor = this.#descriptor(fd);
        const parts = this.#guest.buffers(vectors, count);
        if (descriptor.kind === 'output') {
          parts.forEach(descriptor.write);
          return this.#guest.put32(at, parts.reduce((sum, part) => sum + part.length, 0));
        }
        if (file(fd).flags & APPEND) descriptor.position = fs.fstatSync(descriptor.file).size;
        const total = write(descriptor, parts, descriptor.position);
        descriptor.position += total;
        return this.#guest.put32(at, total);
      },
      fd_pwrite: (fd, vectors, count, offset, at) => {
        this.#guest.put32(at, write(file(fd), this.#guest.buffers(vectors, count), Number(offset)));
      },
      fd_readdir: (fd, at, length, cookie, used) => {
        const folder = this.#descriptor(fd, 'folder');
        const entries = readFolder(folder, length >>> 0, Number(cookie));
        this.#guest.put(at, entries);
        this.#guest.put32(used, entries.length);
      },
      fd_renumber: (from, to) => {
        const [descriptor, replaced] = [this.#descriptor(from), this.#descriptor(to)];
        if (from === to) return;
        if (replaced.kind === 'file') fs.closeSync(replaced.file);
        this.#descriptors[to] = descriptor;
        this.#descriptors[from] = undefined;
      },
      fd_seek: (fd, offset, whence, at) => {
        const descriptor = this.#descriptor(fd);
        if (descriptor.kind !== 'file') throw new Failure('ESPIPE');
        const end = () => fs.fstatSync(descriptor.file).size;
        const origin = [() => 0, () => descriptor.position, end][whence];
        const position = origin === undefined ? -1 : origin() + Number(offset);
        if (position < 0) throw new Failure('EINVAL');
        descriptor.position = position;
        this.#guest.put64(at, descriptor.position);
      },
      fd_tell: (fd, at) => {
        const descriptor = this.#descriptor(fd);
        if (descriptor.kind !== 'file') throw new Failure('ESPIPE');
        this.#guest.put64(at, descriptor.position);
      },
    };
  }

  #pathCalls() {
    return {
      path_create_directory: (fd, at, length) => fs.mkdirSync(this.#path(fd, at, length)),
      path_filestat_get: (fd, lookup, at, length, result) => {
        const stat = lookup & FOLLOW_LINKS ? fs.statSync : fs.lstatSync;
        putStats(this.#guest, result, stat(this.#path(fd, at, length), { bigint: true }));
      },
      path_filestat_set_times: (fd, lookup, at, length, atime, mtime, flags) => {
        const host = this.#path(fd, at, length);
        const [stat, set] = lookup & FOLLOW_LINKS
          ? [fs.statSync, fs.utimesSync]
          : [fs.lstatSync, fs.lutimesSync];
        set(host, ...newTimes(stat(host, { bigint: true }), atime, mtime, flags));
      },
      path_link: (fromFd, lookup, from, fromLength, toFd, to, toLength) => {
        fs.linkSync(this.#path(fromFd, from, fromLength), this.#path(toFd, to, toLength));
      },
      path_open: (fd, lookup, at, length, oflags, rights, inheriting, flags, result) => {
        const opened = open(this.#path(fd, at, length), oflags, rights, flags);
        this.#guest.put32(result, this.#add(opened));
      },
      path_readlink: (fd, at, length, buffer, size, used) => {
        const link = Buffer.from(fs.readlinkSync(this.#path(fd, at, length)));
        const part = link.subarray(0, size >>> 0);
        this.#guest.put(buffer, part);
        this.#guest.put32(used, part.length);
      },
      path_remove_directory: (fd, at, length) => fs.rmdirSync(this.#path(fd, at, length)),
      path_rename: (fromFd, from, fromLength, toFd, to, toLength) => {
        fs.renameSync(this.#path(fromFd, from, fromLength), this.#path(toFd, to, toLength));
      },
      path_symlink: (target, targetLength, fd, at, length) => {
        fs.symlinkSync(this.#guest.string(target, targetLength), this.#path(fd, at, length));
      },
      path_unlink_file: (fd, at, length) => fs.unlinkSync(this.#path(fd, at, length)),
    };
  }
}
