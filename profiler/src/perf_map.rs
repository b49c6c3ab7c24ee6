//! A symbol map for `perf`, which says which function's code is at which addresses.
//!
//! `perf` looks for `perf-<pid>.map` in the temporary directory. Addresses of retired code are used
//! again, so the map is right for the code that was placed last at an address.

use crate::log::Record;
use crate::names::{Names, symbol};

/// The map's line for an event that says where a piece of code is, `None` for others: start, length
/// (both hexadecimal) and name, and a newline.
pub fn perf_map_line(record: &Record, names: &Names) -> Option<String> {
    let (code, address, code_bytes) = record.event.placed()?;
    let name = symbol(&names.of(code.func), code.unit, names.level(code));
    Some(format!("{address:x} {code_bytes:x} {name}\n"))
}

#[cfg(test)]
mod tests {
    use upshift_abi::{CompileUnit, DefinedFuncIndex, LoopIndex, Tier};

    use super::*;
    use crate::event::Event;
    use crate::key::{CodeKey, FuncKey, ModuleKey, Nanos};

    #[test]
    fn a_line_per_piece_of_code() {
        let func = FuncKey {
            module: ModuleKey(1),
            func: DefinedFuncIndex(2),
        };
        let code = CodeKey::new(func, CompileUnit::Loop(LoopIndex(0)), Tier::Optimizer);
        let event = Event::OsrReady {
            code,
            address: 0xabc0,
            code_bytes: 0x40,
        };
        let record = |event| Record {
            at: Nanos(0),
            cpu: Nanos(0),
            thread: 0,
            event,
        };
        let line = perf_map_line(&record(event), &Names::default());
        let expected = "abc0 40 module 1 def2 loop 0 [optimizer]\n";
        assert_eq!(line.as_deref(), Some(expected));
        let event = Event::FirstCall { func };
        assert_eq!(perf_map_line(&record(event), &Names::default()), None);
    }
}
