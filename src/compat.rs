//! What a build, an engine and a processor must have in common for one's code to run in the other.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use upshift_abi::vmctx::VmContext;
use upshift_abi::{Builtin, TrapCode};
use upshift_optimizer::Optimizer;

use crate::Config;

/// What code of an engine relies on, as text: two engines with the same text can exchange code. The
/// configuration is as the engine has fitted it.
pub(crate) fn text(config: &Config, optimizer: &Optimizer) -> String {
    let mut text = concat!("upshift ", env!("CARGO_PKG_VERSION")).to_owned();
    let mut add = |name: &str, value: &dyn std::fmt::Debug| {
        write!(text, " {name}={value:?}").expect("strings don't fail");
    };
    add("baseline", &config.baseline);
    add("optimizer", &config.optimizer);
    add("tiers", &config.tiers);
    add("memory", &config.runtime.memory);
    add("features", &config.features);
    add("branch-hints", &config.branch_hinting);
    add("compilation-hints", &config.compilation_hints);
    add("sites", &config.count_sites);
    add("sources", &config.tiering.sources);
    add("context", &size_of::<VmContext>());
    let builtins: Vec<_> = Builtin::ALL.iter().map(|builtin| builtin.name()).collect();
    add("builtins", &builtins);
    add("traps", &TrapCode::ALL);
    // Last, as many of Cranelift's settings follow from the options.
    text + " " + &optimizer.target()
}

/// The program that this is, by the file with this code in it, which is the program's own or a
/// shared library: a new build of the same version has another. `None` where the system does not
/// tell, or the file is gone.
pub(crate) fn program() -> Option<String> {
    let this = program as fn() -> Option<String> as usize;
    let path = mapped_file(&fs::read("/proc/self/maps").ok()?, this)?;
    // By this name a program's file is found also if another one has taken its place.
    let own = Path::new("/proc/self/exe");
    let path = match fs::read_link(own) {
        Ok(link) if link == path => own,
        _ => &path,
    };
    let data = fs::metadata(path).ok()?;
    // Times of contents can be set, to the same for all files of a package for instance; those of
    // changes can't.
    let (written, changed) = (
        (data.mtime(), data.mtime_nsec()),
        (data.ctime(), data.ctime_nsec()),
    );
    Some(format!("{} {written:?} {changed:?}", data.len()))
}

/// The file that is mapped at an address, by the list of a process's mappings.
fn mapped_file(maps: &[u8], address: usize) -> Option<PathBuf> {
    for line in maps.split(|&byte| byte == b'\n') {
        // start-end, permissions, offset, device, inode; then, behind spaces, the path.
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let range = str::from_utf8(fields.next()?).ok()?;
        let Some((start, end)) = range.split_once('-') else {
            continue;
        };
        let number = |text| usize::from_str_radix(text, 16).ok();
        if (number(start)?..number(end)?).contains(&address) {
            let path = fields.nth(4)?.trim_ascii_start();
            return path
                .starts_with(b"/")
                .then(|| PathBuf::from(OsStr::from_bytes(path)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_with_this_code_is_found() {
        let program = program().expect("/proc is there");
        let path = std::env::current_exe().unwrap();
        let data = fs::metadata(path).unwrap();
        assert!(
            program.starts_with(&format!("{} ", data.len())),
            "{program}"
        );
    }

    #[test]
    fn mappings_are_read() {
        let maps = b"1000-2000 r--p 00000000 08:01 77                 /usr/bin/a b\n\
            2000-3000 r-xp 00001000 08:01 77                 /usr/bin/a b\n\
            3000-4000 rw-p 00000000 00:00 0 \n\
            4000-5000 r-xp 00000000 00:00 0                  [vdso]\n";
        let file = |address| mapped_file(maps, address);
        assert_eq!(file(0x2fff), Some("/usr/bin/a b".into()));
        for address in [0, 0x3000, 0x4000, 0x5000] {
            assert_eq!(file(address), None, "{address:x}");
        }
    }
}
