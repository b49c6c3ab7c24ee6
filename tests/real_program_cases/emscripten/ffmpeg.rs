//! FFmpeg, as a library of JavaScript: it encodes pictures and sound that it makes itself, and
//! prints checksums. No files are needed for that. The expected output is that of its JavaScript in
//! Node.js 24.

use anyhow::{Result, ensure};

use super::host::Stop;
use super::machine::{in_upshift, in_wasmtime};
use super::{Exports, Module, Subject};

pub const MODULE: Module = Module {
    name: "ffmpeg",
    exports: Exports {
        memory: "ra",
        constructors: &["sa"],
        table: "ua",
        save_stack: "Da",
        restore_stack: "Ea",
        set_threw: "Ca",
    },
    imports: "b=__assert_fail f=__cxa_throw ka=__dlsym R=__syscall__newselect L=__syscall_accept4 \
        K=__syscall_bind J=__syscall_connect la=__syscall_faccessat g=__syscall_fcntl64 \
        ha=__syscall_fstat64 U=__syscall_getdents64 I=__syscall_getpeername \
        H=__syscall_getsockname G=__syscall_getsockopt y=__syscall_ioctl F=__syscall_listen \
        ea=__syscall_lstat64 $=__syscall_mkdirat fa=__syscall_newfstatat w=__syscall_openat \
        V=__syscall_poll E=__syscall_recvfrom T=__syscall_renameat S=__syscall_rmdir \
        D=__syscall_sendto v=__syscall_socket ga=__syscall_stat64 O=__syscall_unlinkat \
        ia=_emscripten_get_now_is_monotonic M=_emscripten_throw_longjmp Y=_gmtime_js \
        Z=_localtime_js _=_mktime_js W=_mmap_js X=_munmap_js P=_tzset_js a=abort t=dlopen \
        oa=emscripten_asm_const_int m=emscripten_date_now Q=emscripten_get_heap_max \
        p=emscripten_get_now ja=emscripten_memcpy_big N=emscripten_resize_heap ca=environ_get \
        da=environ_sizes_get l=exit n=fd_close ba=fd_fdstat_get x=fd_read aa=fd_seek q=fd_write \
        k=getaddrinfo i=getnameinfo pa=invoke_i na=invoke_ii c=invoke_iii o=invoke_iiii \
        s=invoke_iiiii z=invoke_iiiiii r=invoke_iiiiiiiii B=invoke_iiiijj qa=invoke_iij \
        h=invoke_vi j=invoke_vii d=invoke_viiii ma=invoke_viiiiii A=invoke_viiiiiiii \
        C=is_timeout u=send_progress e=strftime",
    globals: &[],
    constructed: (0x5eaf_3d7e_8dc1_d356, 2),
    in_wasmtime: true,
};

/// A second of a test pattern and a tone, encoded by x264 and Opus; a checksum of each stream.
const ARGUMENTS: &str = "ffmpeg -nostdin -hide_banner -loglevel error \
    -f lavfi -i testsrc=size=96x64:rate=12:duration=1 -f lavfi -i sine=duration=1 \
    -c:v libx264 -c:a libopus -threads 1 -bitexact -f streamhash -hash md5 -";

const OUTPUT: &str = "\
0,v,MD5=26feb59b1180e0dc5c084e8ed53842b2
1,a,MD5=f88ee4544b3339b6bc5d943c20d1040c
";

/// Encodes in an engine.
///
/// # Errors
///
/// If the program does not print what is expected, or does not end as it does in JavaScript: it
/// tells its exit code and then aborts.
pub fn check(wasm: &[u8], module: &'static Module, subject: &Subject) -> Result<()> {
    let arguments: Vec<_> = ARGUMENTS.split_whitespace().collect();
    let (malloc, main) = ("ta", "ya");
    let (stop, run) = match subject {
        Subject::Upshift(config) => {
            in_upshift::run(wasm, module, config, (malloc, main), &arguments)?
        }
        Subject::Wasmtime => in_wasmtime::run(wasm, module, (malloc, main), &arguments)?,
    };
    let stdout = String::from_utf8_lossy(&run.stdout);
    let stderr = String::from_utf8_lossy(&run.stderr);
    ensure!(
        stdout == OUTPUT && run.told == 0 && stop == Some(Stop::Abort),
        "{stop:?}, exit code {}, printed {stdout} and {stderr}",
        run.told
    );
    Ok(())
}
