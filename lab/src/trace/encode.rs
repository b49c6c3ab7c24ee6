//! From traces to bytes.

use sha2::{Digest, Sha256};

use super::{Counting, Function, Header, MAGIC, Slice, Trace, VERSION};

/// The bytes of a trace that keeps all rules.
pub(super) fn trace(trace: &Trace) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    bytes.0.extend(MAGIC);
    bytes.0.extend(VERSION.to_le_bytes());
    bytes.header(&trace.header);
    bytes.list(&trace.functions, Bytes::function);
    bytes.number(trace.slices.len() as u64);
    let mut end = 0;
    for slice in &trace.slices {
        bytes.slice(slice, end);
        end = slice.to;
    }
    bytes.0.push(u8::from(trace.complete));
    let digest = Sha256::digest(&bytes.0);
    bytes.0.extend(digest);
    bytes.0
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn real(&mut self, value: f64) {
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|one| item(self, one));
    }

    fn header(&mut self, header: &Header) {
        self.text(&header.program);
        self.list(&header.arguments, |bytes, argument| bytes.text(argument));
        self.0.extend(header.module);
        self.text(&header.settings);
        self.number(header.seed);
        self.text(&header.machine);
        self.number(header.module_bytes);
        self.number(header.module_funcs.into());
        self.list(&header.slowdown, |bytes, &factor| bytes.real(factor));
        self.real(header.ask_ns);
        self.list(&header.levels, |bytes, level| {
            bytes.text(&level.name);
            bytes.0.push(match level.counting {
                Counting::Silent => 0,
                Counting::Counts => 1,
                Counting::Calls => 2,
            });
        });
    }

    fn function(&mut self, function: &Function) {
        self.number(function.index.into());
        self.text(&function.name);
        self.number(function.body_bytes.into());
        self.list(&function.loops, |bytes, one| {
            bytes.number(one.offset.into());
            bytes.number(one.depth.into());
        });
        self.real(function.lasting);
        let osr_part: Vec<f64> = function.osr_part.into_iter().collect();
        self.list(&osr_part, |bytes, &part| bytes.real(part));
        for cost in &function.costs {
            self.real(cost.compile_ns);
            self.number(cost.code_bytes.into());
            cost.unit_ns.iter().for_each(|&time| self.real(time));
        }
    }

    /// A slice after one that ended at `before`.
    fn slice(&mut self, slice: &Slice, before: u64) {
        self.number(slice.from - before);
        self.number(slice.to - slice.from);
        self.number(slice.host_ns);
        let mut function = 0;
        self.list(&slice.counts, |bytes, count| {
            bytes.number((count.function - function).into());
            bytes.number(count.site.into());
            bytes.number(count.units);
            function = count.function;
        });
    }
}
