//! WASI preview 1 and preview 0, called as a guest calls it.

#![forbid(unsafe_code)]
#![cfg(all(feature = "wasi", feature = "wat"))]

mod wasi_cases {
    mod dirs;
    mod files;
    mod hostile;
    mod own;
    mod poll;
    mod read_only;
    mod rights;
    mod threads;
    mod waiting;
}

use std::path::{Path, PathBuf};

use upshift::wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};
use upshift::{Engine, Func, Instance, Linker, Memory, Module, Store, Val};

/// The functions that both previews have, with their parameters: `i` has 32 bits, `I` 64.
const FUNCTIONS: &[(&str, &str)] = &[
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_raise", "i"),
    ("sched_yield", ""),
    ("random_get", "ii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

const PREVIEW_1: &str = "wasi_snapshot_preview1";
const PREVIEW_0: &str = "wasi_unstable";

/// The specification's error numbers.
mod errno {
    pub const SUCCESS: i32 = 0;
    pub const AGAIN: i32 = 6;
    pub const BADF: i32 = 8;
    pub const EXIST: i32 = 20;
    pub const FAULT: i32 = 21;
    pub const INVAL: i32 = 28;
    pub const ISDIR: i32 = 31;
    pub const LOOP: i32 = 32;
    pub const MFILE: i32 = 33;
    pub const NAMETOOLONG: i32 = 37;
    pub const NOENT: i32 = 44;
    pub const NOSYS: i32 = 52;
    pub const NOTDIR: i32 = 54;
    pub const NOTEMPTY: i32 = 55;
    pub const NOTSOCK: i32 = 57;
    pub const NOTSUP: i32 = 58;
    pub const NXIO: i32 = 60;
    pub const PERM: i32 = 63;
    pub const ROFS: i32 = 69;
    pub const SPIPE: i32 = 70;
    pub const XDEV: i32 = 75;
    pub const NOTCAPABLE: i32 = 76;
}

/// Rights to read and to write.
const READ: i64 = 2;
const WRITE: i64 = 64;

/// Flags of descriptors.
const APPEND: i64 = 1;
const DSYNC: i64 = 2;
const NONBLOCK: i64 = 4;

/// Flags of `path_open`.
const CREAT: i64 = 1;
const DIRECTORY: i64 = 2;
const EXCL: i64 = 4;
const TRUNC: i64 = 8;

/// The places in the guest's memory that tests use.
const PATH: u32 = 0x1000;
const PATH_2: u32 = 0x2000;
const IOVECS: u32 = 0x3000;
const RESULT: u32 = 0x4000;
const BUFFER: u32 = 0x8000;
const BUFFER_LEN: u32 = 0x8000;

/// A guest whose calls are made by the test.
struct Guest {
    store: Store<WasiCtx>,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    fn new(builder: &mut WasiCtxBuilder) -> Self {
        Self::of_preview(PREVIEW_1, builder)
    }

    /// A guest with one directory, which is descriptor 3.
    fn in_dir(dir: &Path) -> Self {
        let mut builder = WasiCtxBuilder::new();
        Self::new(builder.preopened_dir(dir, "/").unwrap())
    }

    fn of_preview(preview: &str, builder: &mut WasiCtxBuilder) -> Self {
        let engine = Engine::default();
        let module = Module::new(&engine, wrappers(preview)).unwrap();
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, |wasi| wasi).unwrap();
        let mut store = Store::new(&engine, builder.build().unwrap());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self {
            store,
            instance,
            memory,
        }
    }

    /// Calls a function, which must return an error number, whatever its arguments are.
    #[track_caller]
    fn call(&mut self, name: &str, args: &[i64]) -> i32 {
        let result = self.try_call(name, args);
        result.unwrap_or_else(|error| panic!("{name}({args:?}) ended the guest: {error:?}"))
    }

    fn try_call(&mut self, name: &str, args: &[i64]) -> upshift::Result<i32> {
        let func: Func = self.instance.get_func(&mut self.store, name).unwrap();
        let types = signature(name);
        assert_eq!(types.len(), args.len(), "{name}");
        let args: Vec<Val> = types
            .bytes()
            .zip(args)
            .map(|(ty, &arg)| match ty {
                b'i' => Val::I32(arg as i32),
                _ => Val::I64(arg),
            })
            .collect();
        let mut results = [Val::I32(0)];
        func.call(&mut self.store, &args, &mut results)?;
        match results {
            [Val::I32(errno)] => Ok(errno),
            _ => panic!("{name} has another result"),
        }
    }

    fn put(&mut self, at: u32, bytes: &[u8]) {
        self.memory
            .write(&mut self.store, at as usize, bytes)
            .unwrap();
    }

    fn bytes(&self, at: u32, len: usize) -> Vec<u8> {
        self.memory.data(&self.store)[at as usize..][..len].to_vec()
    }

    fn u16(&self, at: u32) -> u16 {
        u16::from_le_bytes(self.bytes(at, 2).try_into().unwrap())
    }

    fn u32(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap())
    }

    fn u64(&self, at: u32) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().unwrap())
    }

    /// Calls a function that takes a directory, perhaps other parameters, and a path.
    fn path_call(&mut self, name: &str, before: &[i64], path: &str, after: &[i64]) -> i32 {
        self.put(PATH, path.as_bytes());
        let path = [i64::from(PATH), path.len() as i64];
        self.call(name, &[before, &path, after].concat())
    }

    /// Opens a path in descriptor 3, without following a link at its end.
    fn open_errno(&mut self, path: &str, oflags: i64, rights: i64, fdflags: i64) -> i32 {
        let after = [oflags, rights, 0, fdflags, i64::from(RESULT)];
        self.path_call("path_open", &[3, 0], path, &after)
    }

    #[track_caller]
    fn open(&mut self, path: &str, oflags: i64, rights: i64, fdflags: i64) -> i64 {
        let errno = self.open_errno(path, oflags, rights, fdflags);
        assert_eq!(errno, errno::SUCCESS, "{path}");
        self.u32(RESULT).into()
    }

    fn write_errno(&mut self, fd: i64, bytes: &[u8]) -> i32 {
        self.put(BUFFER, bytes);
        self.put(IOVECS, &iovec(BUFFER, bytes.len() as u32));
        self.call("fd_write", &[fd, IOVECS.into(), 1, RESULT.into()])
    }

    #[track_caller]
    fn write(&mut self, fd: i64, bytes: &[u8]) {
        assert_eq!(self.write_errno(fd, bytes), errno::SUCCESS);
        assert_eq!(self.u32(RESULT) as usize, bytes.len());
    }

    fn read_errno(&mut self, fd: i64, len: u32) -> i32 {
        self.put(IOVECS, &iovec(BUFFER, len));
        self.call("fd_read", &[fd, IOVECS.into(), 1, RESULT.into()])
    }

    #[track_caller]
    fn read(&mut self, fd: i64) -> Vec<u8> {
        assert_eq!(self.read_errno(fd, BUFFER_LEN), errno::SUCCESS);
        self.bytes(BUFFER, self.u32(RESULT) as usize)
    }

    #[track_caller]
    fn close(&mut self, fd: i64) {
        assert_eq!(self.call("fd_close", &[fd]), errno::SUCCESS);
    }
}

fn signature(name: &str) -> &'static str {
    let found = FUNCTIONS.iter().find(|(other, _)| *other == name);
    match found {
        Some((_, types)) => types,
        None if name == "sock_accept" => "iii",
        None => panic!("no function `{name}`"),
    }
}

fn iovec(at: u32, len: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&at.to_le_bytes());
    bytes[4..].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// A module that exports, for each function of WASI, one that calls it.
fn wrappers(preview: &str) -> String {
    let accept = [("sock_accept", "iii")];
    let more: &[_] = if preview == PREVIEW_1 { &accept } else { &[] };
    let functions = || FUNCTIONS.iter().chain(more);
    let params = |types: &str| -> String {
        let name = |ty| if ty == 'i' { " i32" } else { " i64" };
        types.chars().map(name).collect()
    };
    let imports = functions().map(|(name, types)| {
        let params = params(types);
        format!("(import \"{preview}\" \"{name}\" (func ${name} (param{params}) (result i32)))\n")
    });
    let wrappers = functions().map(|(name, types)| {
        let params = params(types);
        let args: String = (0..types.len())
            .map(|i| format!(" (local.get {i})"))
            .collect();
        format!("(func (export \"{name}\") (param{params}) (result i32) (call ${name}{args}))\n")
    });
    let (imports, wrappers): (String, String) = (imports.collect(), wrappers.collect());
    format!("(module {imports} (memory (export \"memory\") 1) {wrappers})")
}

/// An empty directory of the test's own.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("wasi")
        .join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
