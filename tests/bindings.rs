//! Bindings that the macro makes call a C library as the library means it, in every mode.

use upshift::guest::{GuestMemory, GuestValue, Ptr, State};
use upshift::{Caller, Config, Engine, ExternRef, Module, Result, Strategy, V128};

upshift::bindgen!(
    "tests/programs/bindings/shapes.wasm",
    config = "tests/programs/bindings/shapes.toml"
);

/// Functions with several results, and globals.
mod values {
    upshift::bindgen!("tests/programs/bindings/values.wasm");

    /// The host of the module.
    #[derive(Debug)]
    pub struct Halves;

    impl HostImports for Halves {
        fn split(
            &mut self,
            _: &mut upshift::guest::GuestMemory<'_>,
            p0: i64,
        ) -> upshift::Result<(i32, i32)> {
            Ok(((p0 >> 32) as i32, p0 as i32))
        }

        fn see(
            &mut self,
            _: &mut upshift::guest::GuestMemory<'_>,
            p0: upshift::V128,
            p1: Option<upshift::ExternRef>,
        ) -> upshift::Result<(Option<upshift::ExternRef>, upshift::V128)> {
            Ok((p1, u128::from(p0).rotate_left(64).into()))
        }
    }
}

#[test]
fn vectors_and_references_pass() {
    for engine in engines() {
        let module = Module::new(&engine, values::Values::<values::Halves>::WASM).unwrap();
        let mut library = values::Values::new(&module, values::Halves).unwrap();
        let lanes = |value: u32| {
            V128::from(u128::from_le_bytes(
                [value.to_le_bytes(); 4].concat().try_into().unwrap(),
            ))
        };
        for n in 0..300 {
            let sum = library.add(lanes(n), lanes(7)).unwrap();
            assert_eq!(sum, lanes(n + 7));
            let object = ExternRef::new(library.store_mut(), n);
            let (same, turned) = library.show((1 << 64).into(), Some(object)).unwrap();
            assert_eq!(turned, V128::from(1));
            let data = same.expect("not null").data(library.store());
            assert_eq!(data.downcast_ref::<u32>(), Some(&n));
        }
        assert!(library.show(lanes(1), None).unwrap().0.is_none());
        let double = library.doubler().unwrap();
        assert_eq!(library.apply(double, 21).unwrap(), 42);
        let host = upshift::Func::wrap(library.store_mut(), |n: i32| n + 1);
        assert_eq!(library.apply(Some(host), 21).unwrap(), 22);
        let exception = library.make(5).unwrap();
        assert_eq!(library.open(exception).unwrap(), 5);
        assert_eq!(library.mask().as_u128(), 4 << 96 | 3 << 64 | 2 << 32 | 1);
        library.set_mask(lanes(9)).unwrap();
        assert_eq!(library.mask(), lanes(9));
        assert!(library.object().is_none());
        let object = ExternRef::new(library.store_mut(), "kept");
        library.set_object(Some(object)).unwrap();
        let data = library.object().expect("it was set").data(library.store());
        assert_eq!(data.downcast_ref::<&str>(), Some(&"kept"));
    }
}

/// Structs of one name with different layouts are two types.
mod alike {
    upshift::bindgen!("tests/programs/bindings/alike.wasm");
}

#[test]
fn structs_alike_in_name_only_are_told_apart() {
    for engine in engines() {
        let module = Module::new(&engine, alike::Alike::WASM).unwrap();
        let mut library = alike::Alike::new(&module).unwrap();
        let first = library.first_point().unwrap();
        let point = library.memory().unwrap().read(first).unwrap();
        assert_eq!((point.x, point.y), (1.5, 2.5));
        let second = library.second_point().unwrap();
        let point = library.memory().unwrap().read(second).unwrap();
        assert_eq!((point.id, point.x), (7, 9));
        let next = library.memory().unwrap().read(point.next).unwrap();
        assert_eq!((next.id, next.x), (8, 10));
    }
}

#[test]
fn functions_have_several_results_and_globals_methods() {
    for engine in engines() {
        let module = Module::new(&engine, values::Values::<values::Halves>::WASM).unwrap();
        let mut library = values::Values::new(&module, values::Halves).unwrap();
        assert_eq!(library.swap(7, -8).unwrap(), (-8, 7));
        assert_eq!(library.parts((3 << 32) | 4).unwrap(), (3, 4));
        assert_eq!((library.count(), library.ratio()), (5, 0.5));
        library.count_up().unwrap();
        assert_eq!(library.count(), 6);
        library.set_count(-1).unwrap();
        library.count_up().unwrap();
        assert_eq!(library.count(), 0);
        let ty = upshift::ValType::I64;
        let error = library.global("count", ty).unwrap_err().to_string();
        assert!(error.contains("is of the type i32, not i64"), "{error}");
        assert!(library.global("parts", ty).is_err());
    }
}

/// What the library asks of its host.
#[derive(Debug, Default)]
struct Host {
    log: Vec<(i32, String)>,
}

impl HostImports for Host {
    fn log(&mut self, _: &mut GuestMemory<'_>, level: i32, text: &str) -> Result<()> {
        anyhow::ensure!(text != "refuse", "the host refuses");
        self.log.push((level, text.to_owned()));
        Ok(())
    }

    fn measure(
        &mut self,
        _: &mut GuestMemory<'_>,
        at: &Point,
        size: &mut Point,
    ) -> Result<(i32, u32)> {
        *size = Point {
            x: at.x * 10.0,
            y: at.y * 10.0,
        };
        Ok((-1, 7))
    }

    fn sort(&mut self, _: &mut GuestMemory<'_>, values: &mut [i32]) -> Result<()> {
        values.sort_unstable();
        Ok(())
    }
}

fn engines() -> impl Iterator<Item = Engine> {
    [Strategy::Tiered, Strategy::Baseline, Strategy::Optimizer]
        .into_iter()
        .map(|strategy| Engine::new(Config::new().strategy(strategy)).unwrap())
}

fn each(test: impl Fn(&mut Shapes<Host>)) {
    for engine in engines() {
        let module = Module::new(&engine, Shapes::<Host>::WASM).unwrap();
        let mut shapes = Shapes::new(&module, Host::default()).unwrap();
        // So often that functions change their tiers.
        for _ in 0..200 {
            test(&mut shapes);
        }
    }
}

#[test]
fn numbers_keep_their_types() {
    each(|shapes| {
        assert_eq!(shapes.add(i32::MAX, 1).unwrap(), i32::MIN);
        assert_eq!(shapes.narrow(-1, 0xffff, false).unwrap(), -2);
        assert_eq!(shapes.narrow(100, 100, true).unwrap(), 56);
        assert_eq!(shapes.wide(u64::MAX - 5, 2.5, 2.5).unwrap(), u64::MAX);
        assert_eq!(shapes.turn(3).unwrap(), 0);
    });
}

#[test]
fn slices_and_structs_are_lent() {
    each(|shapes| {
        assert_eq!(shapes.sum(&[]).unwrap(), 0);
        assert_eq!(shapes.sum(&[1, 2, 250]).unwrap(), 253);
        let mut points = [Point { x: 1.0, y: -2.0 }, Point { x: 0.5, y: 8.0 }];
        shapes.scale(&mut points, 4.0).unwrap();
        assert_eq!(
            points,
            [Point { x: 4.0, y: -8.0 }, Point { x: 2.0, y: 32.0 }]
        );
        let middle = shapes.middle(&points[0], &points[1]).unwrap();
        assert_eq!(middle, Point { x: 3.0, y: 12.0 });
        let mut bytes = [0; 5];
        assert_eq!(shapes.repeat(9, &mut bytes, 3).unwrap(), (0, 3));
        assert_eq!(bytes, [9, 9, 9, 0, 0]);
        assert_eq!(shapes.repeat(8, &mut bytes, 7).unwrap(), (2, 5));
        assert_eq!(bytes, [8; 5]);
    });
}

#[test]
fn large_loans_are_given_back() {
    for engine in engines() {
        let module = Module::new(&engine, Shapes::<Host>::WASM).unwrap();
        let mut shapes = Shapes::new(&module, Host::default()).unwrap();
        let large = vec![1; 3 << 20];
        assert_eq!(shapes.sum(&large).unwrap(), 3 << 20);
        assert_eq!(shapes.blocks_in_use().unwrap(), 0);
        // Nineteen of this length fit the block that is kept.
        let small = vec![1; 16 << 10];
        for _ in 0..100 {
            assert_eq!(shapes.sum(&small).unwrap(), 16 << 10);
        }
        assert_eq!(shapes.blocks_in_use().unwrap(), 1);
    }
}

#[test]
fn text_is_copied_and_freed() {
    each(|shapes| {
        assert_eq!(shapes.text_length("").unwrap(), 0);
        assert_eq!(shapes.text_length("für").unwrap(), 4);
        assert!(shapes.text_length("a\0b").is_err());
        assert_eq!(shapes.name_of(2).unwrap().as_deref(), Some("south"));
        assert_eq!(shapes.name_of(4).unwrap(), None);
        let in_use = shapes.blocks_in_use().unwrap();
        assert_eq!(shapes.reversed("tiers").unwrap().as_deref(), Some("sreit"));
        assert_eq!(shapes.blocks_in_use().unwrap(), in_use.max(1));
    });
}

#[test]
fn what_the_module_keeps_is_read_by_address() {
    each(|shapes| {
        let last = shapes.create("square", 4, Ptr::NULL).unwrap();
        let first = shapes.create("tri", 3, last).unwrap();
        assert_eq!(shapes.corners(first).unwrap(), 7);
        let read = shapes.memory().unwrap().read(first).unwrap();
        let tag = *b"tri\0\0\0";
        let (corners, closed, next) = (3, true, last);
        let center = Point { x: 3.0, y: 0.0 };
        let expected = Shape {
            tag,
            corners,
            closed,
            center,
            next,
        };
        assert_eq!(read, expected);
        let changed = Shape {
            corners: 30,
            ..read
        };
        shapes.memory().unwrap().write(first, &changed).unwrap();
        assert_eq!(shapes.corners(first).unwrap(), 34);
        shapes.free(first).unwrap();
        shapes.free(last).unwrap();
        assert_eq!((Shape::SIZE, Shape::ALIGN), (32, 8));
    });
}

#[test]
fn the_host_is_asked() {
    each(|shapes| {
        // 10 wide and 20 high in a unit of 7, and 1, 2, 3 as digits.
        assert_eq!(shapes.ask("how large?").unwrap(), -1400.0 + 123.0);
        assert_eq!(
            shapes.host_mut().log.pop().unwrap(),
            (3, "how large?".to_owned())
        );
        let error = shapes.ask("refuse").unwrap_err();
        assert!(
            format!("{error:#}").contains("the host refuses"),
            "{error:#}"
        );
    });
}

#[test]
fn calls_that_fail_leave_nothing() {
    let module = Module::new(&Engine::default(), Shapes::<Host>::WASM).unwrap();
    let mut shapes = Shapes::new(&module, Host::default()).unwrap();
    for _ in 0..10_000 {
        assert!(shapes.ask("refuse").is_err());
    }
    assert_eq!(shapes.blocks_in_use().unwrap(), 1);
}

#[test]
fn callbacks_come_and_go() {
    each(|shapes| {
        let callback = |mut caller: Caller<'_, State<Host>>, index: u32, value: f64| {
            caller
                .data_mut()
                .host
                .log
                .push((index as i32, value.to_string()));
            index + value as u32
        };
        let callback = shapes.add_callback(callback).unwrap();
        assert_eq!(shapes.visit(&[10.0, 20.5], callback).unwrap(), 31);
        let log = std::mem::take(&mut shapes.host_mut().log);
        assert_eq!(log, [(0, "10".to_owned()), (1, "20.5".to_owned())]);
        shapes.remove_callback(callback).unwrap();
        assert!(shapes.visit(&[1.0], callback).is_err());
        assert!(shapes.remove_callback(callback).is_err());
        // A function of the module's own is no callback.
        assert!(shapes.remove_callback(0).is_err());
        let other = shapes.add_callback(|_: u32, _: f64| 5_u32).unwrap();
        assert_eq!(other, callback);
        assert_eq!(shapes.visit(&[1.0, 2.0], other).unwrap(), 10);
        shapes.remove_callback(other).unwrap();
    });
}

/// A module whose allocator and results lie beyond its memory can harm no one but itself.
#[test]
fn hostile_addresses_are_errors() {
    for address in ["-1", "-16", "65535", "65520", "1", "0"] {
        let text = format!(
            r#"(module
                (import "host" "log" (func (param i32 i32 i32)))
                (import "host" "measure" (func (param i32 i32 i32) (result i32)))
                (import "host" "sort" (func $sort (param i32 i32)))
                (memory (export "memory") 1)
                (table (export "__indirect_function_table") 0 1 funcref)
                (func (export "malloc") (param i32) (result i32) (i32.const {address}))
                (func (export "free") (param i32))
                (func (export "blocks_in_use") (result i32) (i32.const 0))
                (func (export "add") (param i32 i32) (result i32) (i32.const 0))
                (func (export "narrow") (param i32 i32 i32) (result i32) (i32.const -1))
                (func (export "wide") (param i64 f32 f64) (result i64) (i64.const 0))
                (func (export "turn") (param i32) (result i32) (i32.const 0))
                (func (export "sum") (param i32 i32) (result i64) (i64.const 0))
                (func (export "scale") (param i32 i32 f64))
                (func (export "text_length") (param i32) (result i32) (i32.const 0))
                (func (export "middle") (param i32 i32 i32))
                (func (export "repeat") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0))
                (func (export "name_of") (param i32) (result i32) (i32.const {address}))
                (func (export "reversed") (param i32) (result i32) (i32.const {address}))
                (func (export "new_shape") (param i32 i32 i32) (result i32) (i32.const {address}))
                (func (export "corners") (param i32) (result i32) (i32.const 0))
                (func (export "visit") (param i32 i32 i32) (result i32) (i32.const 0))
                (func (export "ask") (param i32) (result f64)
                    (call $sort (i32.const {address}) (i32.const -1)) (f64.const 0))
                (data (i32.const 65535) "x"))"#
        );
        for engine in engines() {
            let module = Module::new(&engine, &text).unwrap();
            let mut shapes = Shapes::new(&module, Host::default()).unwrap();
            let large = vec![0; 100 << 10];
            assert!(shapes.sum(&large).is_err());
            assert!(
                shapes.sum(&[1; 100]).is_err(),
                "a block of 64 KiB fits nowhere"
            );
            assert!(shapes.text_length("text").is_err());
            assert!(shapes.reversed("text").is_err());
            assert!(shapes.ask("text").is_err());
            let shape = shapes.create("text", 1, Ptr::NULL);
            assert!(shape.is_err());
            assert!(
                shapes
                    .memory()
                    .unwrap()
                    .read(Ptr::<Shape>::at(65535))
                    .is_err()
            );
            assert!(
                shapes
                    .memory()
                    .unwrap()
                    .read_vec(Ptr::<Shape>::at(0), u32::MAX)
                    .is_err()
            );
            let ends = ["1", "0", "65520"].contains(&address);
            assert_eq!(shapes.name_of(0).is_ok(), ends);
            let callbacks = [0; 2].map(|_| shapes.add_callback(|_: u32, _: f64| 0_u32).is_ok());
            assert_eq!(callbacks, [true, false]);
        }
    }
}

/// What debug information alone says.
mod from_dwarf {
    upshift::bindgen!("tests/programs/bindings/shapes.wasm", name = Plain);

    /// A host of which nothing is asked.
    #[derive(Debug)]
    pub(super) struct NoHost;

    impl HostImports for NoHost {
        fn log(
            &mut self,
            _: &mut super::GuestMemory<'_>,
            _: i32,
            _: i32,
            _: i32,
        ) -> super::Result<()> {
            anyhow::bail!("not here")
        }

        fn measure(
            &mut self,
            _: &mut super::GuestMemory<'_>,
            _: i32,
            _: i32,
            _: i32,
        ) -> super::Result<i32> {
            anyhow::bail!("not here")
        }

        fn sort(&mut self, _: &mut super::GuestMemory<'_>, _: i32, _: i32) -> super::Result<()> {
            anyhow::bail!("not here")
        }
    }
}

#[test]
fn debug_information_has_types() {
    use from_dwarf::{NoHost, Plain, Point};

    for engine in engines() {
        let module = Module::new(&engine, Plain::<NoHost>::WASM).unwrap();
        let mut plain = Plain::new(&module, NoHost).unwrap();
        assert_eq!(plain.narrow(-1, 0xffff, false).unwrap(), -2);
        assert_eq!(plain.name_of(1).unwrap().as_deref(), Some("east"));
        let points = plain.alloc::<Point>(2).unwrap();
        let second = Point { x: 3.0, y: -1.0 };
        plain
            .memory()
            .unwrap()
            .write(points.element(1), &second)
            .unwrap();
        plain.scale(points, 2, 2.0).unwrap();
        let read = plain.memory().unwrap().read(points.element(1)).unwrap();
        assert_eq!(read, Point { x: 6.0, y: -2.0 });
        let shape = plain.new_shape("tag", 9, Ptr::NULL).unwrap();
        assert_eq!(
            plain.memory().unwrap().read(shape).unwrap().center,
            Point { x: 9.0, y: 0.0 }
        );
        let text = plain.reversed("abc").unwrap();
        assert_eq!(plain.memory().unwrap().c_text(text).unwrap(), "cba");
        plain.free(text).unwrap();
        assert!(format!("{:#}", plain.ask("x").unwrap_err()).contains("not here"));
    }
}

/// WASI's functions have their context, beside a host of one's own.
#[cfg(feature = "wasi")]
mod with_wasi {
    use upshift::wasi::{WasiCtxBuilder, pipe::WritePipe};

    upshift::bindgen!(
        "tests/programs/bindings/libc_greet.wasm",
        name = Greet,
        inline = r#"functions = ["greet(name: cstr) -> i32"]"#
    );

    #[test]
    fn a_reactor_writes() {
        let output = WritePipe::new_in_memory();
        let wasi = WasiCtxBuilder::new()
            .stdout(output.clone())
            .build()
            .unwrap();
        let mut greet = Greet::load(wasi).unwrap();
        assert_eq!(greet.greet("reader").unwrap(), 14);
        drop(greet);
        assert_eq!(
            output.try_into_inner().unwrap().into_inner(),
            b"hello, reader\n"
        );
    }
}

/// SQLite calls closures, which call SQLite.
#[cfg(feature = "wasi")]
#[path = "../examples/sqlite/main.rs"]
#[allow(dead_code)]
mod sqlite;

#[cfg(feature = "wasi")]
#[path = "../examples/markdown/main.rs"]
#[allow(dead_code)]
mod markdown;

#[cfg(feature = "wasi")]
#[path = "../examples/template/main.rs"]
#[allow(dead_code)]
mod template;

#[cfg(feature = "wasi")]
fn reactor(engine: &Engine, name: &str) -> Module {
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{root}/corpus/reactors/{name}.wasm");
    Module::from_file(engine, path).expect("scripts/build-libraries makes it")
}

/// A library in Rust, whose allocator is C's.
#[cfg(feature = "wasi")]
#[test]
fn markdown_becomes_html_in_every_mode() {
    for engine in engines() {
        let page = markdown::page(&reactor(&engine, "markdown")).unwrap();
        let cells = "<td>baseline</td><td>fast to compile</td>";
        assert!(
            page.starts_with("<h1>Tiers</h1>") && page.contains(cells),
            "{page}"
        );
    }
}

/// A library in Go, with its runtime and collector; its allocator keeps what the host has.
#[cfg(feature = "wasi")]
#[test]
fn a_template_is_filled_in_every_mode() {
    for engine in engines() {
        let letter = template::letter(&reactor(&engine, "template")).unwrap();
        assert_eq!(letter, "Dear reader, baseline and optimizer.");
    }
}

#[cfg(feature = "wasi")]
#[test]
fn sqlite_answers_in_every_mode() {
    for engine in engines() {
        let module = reactor(&engine, "sqlite3");
        let (version, heights) = sqlite::mountains(&module).unwrap();
        assert!(version.starts_with("3."), "{version}");
        let expected = [
            ("Mont Blanc", 4806.0 / 0.3048),
            ("Zugspitze", 2962.0 / 0.3048),
        ];
        assert_eq!(
            heights,
            expected.map(|(name, feet)| (name.to_owned(), feet))
        );
    }
}

/// The first program of the guide, whose C file and Rust file are tested.
#[test]
fn the_guide_has_the_files_that_are_tested() {
    let guide = include_str!("../docs/ffi.md");
    assert!(guide.contains(include_str!("programs/bindings/libc_area.c")));
    let program = include_str!("../examples/ffi.rs")
        .replace("tests/programs/bindings/libc_area.wasm", "area.wasm")
        .replace("    name = Area,\n", "");
    let (_, program) = program.split_once("\n\n").unwrap();
    assert!(guide.contains(program), "{program}");

    upshift::bindgen!(
        "tests/programs/bindings/libc_area.wasm",
        inline = r#"
            functions = ["area(corners: &[point]) -> f64"]
            structs = { point = "x: f64, y: f64" }
        "#
    );
    let corners = [(0.0, 0.0), (4.0, 0.0), (4.0, 3.0)].map(|(x, y)| Point { x, y });
    assert_eq!(LibcArea::load().unwrap().area(&corners).unwrap(), 6.0);
}

#[test]
fn another_module_is_refused() {
    let engine = Engine::default();
    let module = Module::new(&engine, "(module)").unwrap();
    assert!(Shapes::new(&module, Host::default()).is_err());
}
