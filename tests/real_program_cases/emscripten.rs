//! Modules that Emscripten made for JavaScript to load: they are instantiated and their
//! constructors run, and FFmpeg encodes, with a host that does the same in every mode and in
//! Wasmtime.
//!
//! What is compared is a digest of the guest's memory afterwards and of all calls of imports with
//! their arguments. The host (`host`) does what these programs can't do without; other imports
//! return zeros.

mod ffmpeg;
mod host;
mod machine;

use anyhow::{Result, ensure};
use upshift::Config;

pub use self::ffmpeg::check as check_ffmpeg;
use self::machine::{in_upshift, in_wasmtime};

/// What is known of a module.
pub struct Module {
    /// Its name in the manifest.
    pub name: &'static str,
    /// The names of what it exports, which are short where its maker has shortened them.
    exports: Exports,
    /// Imported functions with short names, as `short=name`, with spaces between them.
    imports: &'static str,
    /// Values of imported globals, which else are zero.
    globals: &'static [(&'static str, i32)],
    /// The digest after its constructors, and how many imports they call.
    constructed: (u64, u64),
    /// Whether Wasmtime is compared with, which has no exceptions in their older form, and whose
    /// shared memories the host can't access.
    pub in_wasmtime: bool,
}

/// Names of exports.
struct Exports {
    memory: &'static str,
    /// Functions that are called first, in this order.
    constructors: &'static [&'static str],
    /// For programs with `longjmp`.
    table: &'static str,
    save_stack: &'static str,
    restore_stack: &'static str,
    set_threw: &'static str,
}

const PLAIN: Exports = Exports {
    memory: "memory",
    constructors: &["__wasm_call_ctors"],
    table: "__indirect_function_table",
    save_stack: "emscripten_stack_get_current",
    restore_stack: "_emscripten_stack_restore",
    set_threw: "setThrew",
};

impl Module {
    /// The name of an imported function.
    fn name_of(&self, import: &str) -> String {
        let pairs = self.imports.split_whitespace();
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        let name = pairs.find(|(short, _)| *short == import);
        name.map_or(import, |(_, name)| name).to_owned()
    }

    /// The value of an imported global.
    fn global(&self, name: &str) -> i32 {
        let global = self.globals.iter().find(|(known, _)| *known == name);
        global.map_or(0, |(_, value)| *value)
    }
}

/// The modules.
pub static MODULES: [Module; 7] = [
    Module {
        name: "pyodide",
        exports: PLAIN,
        imports: "",
        globals: &[],
        constructed: (0x7a7e_6754_c615_e0f1, 8),
        in_wasmtime: false,
    },
    ffmpeg::MODULE,
    Module {
        name: "ffmpeg_threads",
        exports: Exports {
            constructors: &["Ga"],
            ..PLAIN
        },
        imports: "",
        globals: &[],
        constructed: (0xd048_26a6_2105_45aa, 4),
        in_wasmtime: false,
    },
    Module {
        name: "vips",
        // Its constructors look through objects of JavaScript and don't end without them; its start
        // function runs.
        exports: Exports {
            constructors: &[],
            ..PLAIN
        },
        imports: "",
        globals: &[],
        constructed: (0x599c_94ed_d296_1363, 0),
        in_wasmtime: false,
    },
    Module {
        name: "duckdb",
        exports: Exports {
            constructors: &["__wasm_apply_data_relocs", "__wasm_call_ctors"],
            ..PLAIN
        },
        imports: "",
        globals: &[
            ("__stack_pointer", 3_573_056),
            ("__stack_high", 3_573_056),
            ("__stack_low", 2_524_480),
            ("__heap_base", 3_573_056),
            ("__memory_base", 1024),
            ("__table_base", 1),
        ],
        constructed: (0xb1ec_a3d9_b9d9_8df3, 43),
        in_wasmtime: false,
    },
    Module {
        name: "onnx",
        exports: Exports {
            constructors: &["Va"],
            ..PLAIN
        },
        imports: "",
        globals: &[],
        constructed: (0xfe87_0f51_975c_f568, 6),
        in_wasmtime: false,
    },
    // Not Emscripten's, but Rust's for WASI with threads, around the interface of Node.js.
    Module {
        name: "argon2_node",
        exports: Exports {
            constructors: &[
                "_initialize",
                "__napi_register__Version_1",
                "__napi_register__hash_sync_6",
                "__napi_register__verify_sync_12",
            ],
            ..PLAIN
        },
        imports: "",
        globals: &[],
        constructed: (0xd2e5_1c08_18e5_92f5, 0),
        in_wasmtime: false,
    },
];

/// Which engine runs a module.
pub enum Subject {
    /// Upshift in a configuration.
    Upshift(Box<Config>),
    /// Wasmtime.
    Wasmtime,
}

/// Instantiates a module, and runs its constructors.
///
/// # Errors
///
/// If the engine refuses it, a constructor traps, or something differs from what is known.
pub fn check_constructors(wasm: &[u8], module: &'static Module, subject: &Subject) -> Result<()> {
    let run = match subject {
        Subject::Upshift(config) => in_upshift::construct(wasm, module, config)?,
        Subject::Wasmtime => in_wasmtime::construct(wasm, module)?,
    };
    let found = (run.digest(), run.calls());
    ensure!(
        found == module.constructed,
        "found {found:#x?}, expected {:#x?}",
        module.constructed
    );
    Ok(())
}
