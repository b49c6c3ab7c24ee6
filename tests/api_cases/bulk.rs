//! `memory.copy` and `memory.fill` of constant lengths, of which the optimizer compiles short ones
//! as loads and stores, checked against slices of Rust; and at the memory's end, where a range that
//! is partly outside must trap before anything is written.

use std::fmt::Write;
use std::time::Duration;

use upshift::{Config, Engine, Instance, Memory, MemoryBounds, Store, Strategy, Trap};

use crate::support::watchdog::Watchdog;
use crate::{in_every_mode, instance};

const LENGTHS: [usize; 16] = [0, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 32, 63, 64, 65];

/// Bytes at the memory's beginning that are compared.
const WINDOW: usize = 256;

const MEMORY_BYTES: usize = 1 << 16;

/// A module with functions that copy, fill with any byte and fill with zeros, for each length.
fn text() -> String {
    let mut text = String::from("(module (memory (export \"memory\") 1)");
    for len in LENGTHS {
        write!(
            text,
            r#"(func (export "copy {len}") (param i32 i32) (result i32)
                 (memory.copy (local.get 0) (local.get 1) (i32.const {len}))
                 (i32.load8_u (i32.const 100)))
               (func (export "fill {len}") (param i32 i32)
                 (memory.fill (local.get 0) (local.get 1) (i32.const {len})))
               (func (export "set {len}") (param i32 i32) (result i32)
                 (i32.store8 (i32.const 100) (i32.const 7))
                 (memory.fill (local.get 0) (i32.const 0x1a5) (i32.const {len}))
                 (i32.load8_u (i32.const 100)))"#
        )
        .unwrap();
    }
    text + ")"
}

struct Subject {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Subject {
    fn new(engine: &Engine) -> Self {
        let (mut store, instance) = instance(engine, &text());
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self {
            store,
            instance,
            memory,
        }
    }

    /// Calls a function with and without result; whether it returned.
    fn call(&mut self, name: &str, args: (i32, i32)) -> bool {
        let store = &mut self.store;
        if let Ok(func) = self
            .instance
            .get_typed_func::<(i32, i32), i32>(&mut *store, name)
        {
            let result = func.call(&mut *store, args);
            let byte = self.memory.data(&*store)[100];
            result.is_ok_and(|read| {
                assert_eq!(read, i32::from(byte), "{name} {args:?}");
                true
            })
        } else {
            let func = self
                .instance
                .get_typed_func::<(i32, i32), ()>(&mut *store, name);
            func.unwrap().call(&mut *store, args).is_ok()
        }
    }

    fn reset(&mut self) {
        let data = self.memory.data_mut(&mut self.store);
        for (i, byte) in data.iter_mut().enumerate() {
            *byte = (i * 7 + i / 251) as u8;
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let data = self.memory.data(&self.store);
        [&data[..WINDOW], &data[data.len() - WINDOW..]].concat()
    }
}

fn check(engine: &Engine) {
    let mut subject = Subject::new(engine);
    let end = MEMORY_BYTES;
    for len in LENGTHS {
        let starts = [
            0,
            1,
            90,
            100,
            101,
            end - len,
            end - len + 1,
            end - 1,
            end,
            end + 1,
        ];
        for to in starts {
            let outside = to + len > end;
            for from in [to, 0, 93, 99, 120, end - len, end - len + 1] {
                let outside = outside || from + len > end;
                check_one(
                    &mut subject,
                    &format!("copy {len}"),
                    (to, from),
                    outside,
                    |data| {
                        data.copy_within(from..from + len, to);
                    },
                );
            }
            check_one(
                &mut subject,
                &format!("fill {len}"),
                (to, 0x3c3),
                outside,
                |data| {
                    data[to..to + len].fill(0xc3);
                },
            );
            // This one has written a byte before it traps.
            if !outside {
                check_one(
                    &mut subject,
                    &format!("set {len}"),
                    (to, 0),
                    false,
                    |data| {
                        data[100] = 7;
                        data[to..to + len].fill(0xa5);
                    },
                );
            }
        }
        let far = (u32::MAX as usize, 0);
        check_one(&mut subject, &format!("copy {len}"), far, true, |_| {});
        check_one(&mut subject, &format!("fill {len}"), far, true, |_| {});
    }
}

fn check_one(
    subject: &mut Subject,
    name: &str,
    args: (usize, usize),
    traps: bool,
    model: impl FnOnce(&mut [u8]),
) {
    subject.reset();
    let mut expected = subject.memory.data(&subject.store).to_vec();
    if !traps {
        model(&mut expected);
    }
    let returned = subject.call(name, (args.0 as i32, args.1 as i32));
    assert_eq!(returned, !traps, "{name} {args:?}");
    let expected = [&expected[..WINDOW], &expected[MEMORY_BYTES - WINDOW..]].concat();
    assert_eq!(subject.bytes(), expected, "{name} {args:?}");
}

#[test]
fn copies_and_fills_of_constant_lengths() {
    in_every_mode(check);
}

#[test]
fn copies_and_fills_with_explicit_checks() {
    let mut config = Config::new();
    config
        .memory_bounds(MemoryBounds::Explicit)
        .strategy(Strategy::Optimizer);
    check(&Engine::new(&config).unwrap());
}

/// More bytes than are copied without a look for interruptions.
const LONG: usize = (1 << 20) + 8;

/// Lengths that are not constant, up to the memory's end and beyond it, with ranges that overlap.
#[test]
fn copies_and_fills_of_any_length() {
    let text = r#"(module
        (memory (export "memory") 18)
        (func (export "copy") (param i32 i32 i32)
            (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export "fill") (param i32 i32 i32)
            (memory.fill (local.get 0) (local.get 1) (local.get 2))))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, text);
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let end = memory.data(&store).len();
        let mut expected: Vec<u8> = (0..end).map(|i| (i * 7 + i / 256) as u8).collect();
        memory.data_mut(&mut store).copy_from_slice(&expected);
        let [copy, fill] = ["copy", "fill"].map(|name| {
            let func = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, name);
            func.unwrap()
        });
        for len in [0, 1, 5, 64, 100, 4096, 1 << 20, LONG, end, end + 1, 1 << 31] {
            let last = end.saturating_sub(len);
            let starts = [
                0,
                3,
                last / 2,
                last.saturating_sub(1),
                last,
                last + 1,
                1 << 31,
            ];
            for (to, from) in starts.iter().flat_map(|&to| starts.map(|from| (to, from))) {
                let [a, b, c] = [to, from, len].map(|number| number as u32);
                let inside = to + len <= end && from + len <= end;
                let copied = copy.call(&mut store, (a, b, c));
                assert_eq!(copied.is_ok(), inside, "copy {to} {from} {len}");
                if inside {
                    expected.copy_within(from..from + len, to);
                }
                assert!(memory.data(&store) == expected, "copy {to} {from} {len}");
            }
            for to in starts {
                let filled = fill.call(&mut store, (to as u32, 0x1a5 + to as u32, len as u32));
                assert_eq!(filled.is_ok(), to + len <= end, "fill {to} {len}");
                if to + len <= end {
                    expected[to..to + len].fill((0x1a5 + to) as u8);
                }
                assert!(memory.data(&store) == expected, "fill {to} {len}");
            }
        }
    });
}

/// A loop that does nothing but copy, in parts that are too short to look for interruptions, ends.
#[test]
fn short_copies_are_interrupted() {
    let text = r#"(module
        (memory 16)
        (func $run (export "run")
            (loop (memory.copy (i32.const 8) (i32.const 0) (global.get $len)) (br 0)))
        (global $len (mut i32) (i32.const 0x80000)))"#;
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, text);
        let run = instance.get_typed_func::<(), ()>(&mut store, "run");
        let run = run.unwrap();
        let watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(20));
        let error = run.call(&mut store, ()).unwrap_err();
        drop(watchdog);
        assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
    });
}
