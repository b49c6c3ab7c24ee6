//! WASI preview 1: what the programs in a store see of the system.

use std::ffi::{CStr, OsString, c_char, c_int, c_void};
use std::fs::{File, OpenOptions};
use std::io::{Cursor, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use upshift::wasi::pipe::ReadPipe;
use upshift::wasi::{Access, DirAccess, Errno, HostFile, WasiCtx, WasiCtxBuilder, WasiFile};

use super::array;
use super::error::{Failure, failure};
use crate::given;
use crate::store::{Data, Finalizer, HostData, wasm_store_t};
use crate::vector::{Bytes, Vector};

/// What a program sees of the system.
pub(crate) struct upshift_wasi_config_t(WasiCtxBuilder);

/// The context of a store's programs; without a configuration they see nothing.
pub(super) fn context(data: &mut Data) -> &mut WasiCtx {
    data.wasi.get_or_insert_with(|| {
        let nothing = WasiCtxBuilder::new().build();
        nothing.expect("a context of nothing has no mistakes")
    })
}

#[unsafe(no_mangle)]
extern "C" fn upshift_wasi_config_new() -> Option<Box<upshift_wasi_config_t>> {
    Some(Box::new(upshift_wasi_config_t(WasiCtxBuilder::new())))
}

#[unsafe(no_mangle)]
extern "C" fn upshift_wasi_config_delete(config: Option<Box<upshift_wasi_config_t>>) {
    drop(config);
}

type Config<'a> = Option<&'a mut upshift_wasi_config_t>;

/// Text that C passes, as the system has it: in any encoding.
///
/// # Safety
///
/// The pointer is NULL or to text that ends with a NUL.
#[track_caller]
unsafe fn os_text(text: *const c_char, name: &str) -> OsString {
    assert!(!text.is_null(), "`{name}` is NULL");
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    OsString::from_vec(text.to_bytes().to_vec())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_wasi_config_arg(config: Config<'_>, arg: *const c_char) {
    // SAFETY: the caller passes text that ends with a NUL.
    given(config, "config")
        .0
        .arg(unsafe { os_text(arg, "arg") });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_wasi_config_args(
    config: Config<'_>,
    argc: usize,
    argv: *const *const c_char,
) {
    let config = &mut given(config, "config").0;
    // SAFETY: the caller passes so many arguments.
    for &arg in unsafe { array(argv, argc) } {
        // SAFETY: the caller passes text that ends with a NUL.
        config.arg(unsafe { os_text(arg, "argv") });
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_wasi_config_env(
    config: Config<'_>,
    name: *const c_char,
    value: *const c_char,
) {
    // SAFETY: the caller passes text that ends with a NUL.
    let (name, value) = unsafe { (os_text(name, "name"), os_text(value, "value")) };
    given(config, "config").0.env(name, value);
}

#[unsafe(no_mangle)]
extern "C" fn upshift_wasi_config_inherit_env(config: Config<'_>) {
    given(config, "config").0.inherit_env();
}

#[unsafe(no_mangle)]
extern "C" fn upshift_wasi_config_inherit_stdio(config: Config<'_>) {
    given(config, "config").0.inherit_stdio();
}

/// Makes a file one of the three standard streams.
fn set_stream(config: Config<'_>, stream: c_int, file: impl WasiFile) -> Result<()> {
    let config = &mut given(config, "config").0;
    match stream {
        0 => config.stdin(file),
        1 => config.stdout(file),
        2 => config.stderr(file),
        _ => anyhow::bail!("the standard streams are 0, 1 and 2, not {stream}"),
    };
    Ok(())
}

#[unsafe(no_mangle)]
extern "C" fn upshift_wasi_config_inherit(config: Config<'_>, stream: c_int) -> Failure {
    failure(match stream {
        0 => set_stream(config, stream, HostFile::stdin()),
        1 => set_stream(config, stream, HostFile::stdout()),
        _ => set_stream(config, stream, HostFile::stderr()),
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_wasi_config_file(
    config: Config<'_>,
    stream: c_int,
    path: *const c_char,
) -> Failure {
    // SAFETY: the caller passes text that ends with a NUL.
    let path = PathBuf::from(unsafe { os_text(path, "path") });
    let opened = match stream {
        0 => File::open(&path),
        _ => OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path),
    };
    let open = || {
        let file = opened.and_then(|file| HostFile::new(OwnedFd::from(file)));
        let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        set_stream(config, stream, file)
    };
    failure(open())
}

#[unsafe(no_mangle)]
extern "C" fn upshift_wasi_config_stdin_bytes(config: Config<'_>, bytes: Option<&mut Bytes>) {
    let bytes = bytes.map_or(Vector::empty(), Vector::take);
    let bytes = bytes.as_slice().to_vec();
    given(config, "config")
        .0
        .stdin(ReadPipe::new(Cursor::new(bytes)));
}

/// The embedder's function that gets what a program writes: returns how many bytes it took, or a
/// negative number.
type Write = unsafe extern "C" fn(*mut c_void, *const u8, usize) -> isize;

/// A stream whose bytes a function of the embedder gets.
struct Sink {
    write: Write,
    data: HostData,
}

impl WasiFile for Sink {
    fn access(&self) -> Access {
        Access::Write
    }

    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let mut total = 0;
        for buffer in buffers {
            // SAFETY: the embedder's function takes this data, and so many bytes.
            let taken = unsafe { (self.write)(self.data.get(), buffer.as_ptr(), buffer.len()) };
            let Ok(taken) = usize::try_from(taken) else {
                return Err(Errno::Io);
            };
            total += taken.min(buffer.len());
            if taken < buffer.len() {
                break;
            }
        }
        Ok(total)
    }
}

#[unsafe(no_mangle)]
extern "C" fn upshift_wasi_config_write(
    config: Config<'_>,
    stream: c_int,
    write: Option<Write>,
    data: *mut c_void,
    finalizer: Option<Finalizer>,
) -> Failure {
    let data = HostData::new(data, finalizer);
    let write = given(write, "write");
    failure(set_stream(config, stream, Sink { write, data }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn upshift_wasi_config_preopen_dir(
    config: Config<'_>,
    host: *const c_char,
    guest: *const c_char,
    writable: bool,
) -> Failure {
    let config = &mut given(config, "config").0;
    // SAFETY: the caller passes text that ends with a NUL.
    let (host, guest) = unsafe { (os_text(host, "host"), super::text(guest, "guest")) };
    let access = match writable {
        true => DirAccess::ReadWrite,
        false => DirAccess::ReadOnly,
    };
    let preopen = || {
        config
            .preopened_dir_with(PathBuf::from(host), guest?, access)
            .map(drop)
    };
    failure(preopen())
}

#[unsafe(no_mangle)]
extern "C" fn upshift_store_set_wasi(
    store: Option<&wasm_store_t>,
    config: Option<Box<upshift_wasi_config_t>>,
) -> Failure {
    let context = given(config, "config").0.build();
    let set = |built: WasiCtx| {
        let before = given(store, "store")
            .0
            .with(|mut context| context.data_mut().wasi.replace(built));
        drop(before);
    };
    failure(context.map(set))
}
