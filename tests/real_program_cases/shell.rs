//! Yosys's shell: commands that fail throw exceptions (of C++, in the standard form), which the
//! shell catches. The expected output is Node.js 24's.

use anyhow::{Context as _, Result, ensure};
use std::io::Cursor;

use upshift::wasi::pipe::{ReadPipe, WritePipe};
use upshift::wasi::{WasiCtx, WasiCtxBuilder, add_to_linker};
use upshift::{Config, Engine, Linker, Module, Store};
use upshift_benches::engines::Job;

/// What the shell is told; five commands fail.
const COMMANDS: &str = "\
read_verilog /in/counter.v
nosuch_command
cd nosuch
setparam -set
rename nosuch other
techmap -map /nosuch.v
proc
";

/// What it says of them.
const ERRORS: &str = "\
ERROR: No such command: nosuch_command (type 'help' for a command overview)
ERROR: No such module `nosuch' found!
ERROR: Command syntax error: Unknown option or option in arguments.
> setparam -set
>          ^
ERROR: Object `nosuch' not found!
ERROR: File `/nosuch.v' not found or is a directory
";

/// Runs the shell with the directories of Yosys's other job, and compares what it prints.
pub fn check(wasm: &[u8], job: &Job, config: &Config) -> Result<()> {
    let engine = Engine::new(config)?;
    let module = Module::from_binary(&engine, wasm)?;
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    let stdout = WritePipe::new_in_memory();
    let stderr = WritePipe::new_in_memory();
    let mut wasi = WasiCtxBuilder::new();
    wasi.args(["yosys", "-Q", "-T", "-q"])
        .stdin(ReadPipe::new(Cursor::new(COMMANDS)))
        .stdout(stdout.clone())
        .stderr(stderr.clone());
    for (guest, host) in &job.mounts {
        wasi.preopened_dir(host, guest)?;
    }
    let mut store = Store::new(&engine, wasi.build()?);
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    start.call(&mut store, ())?;
    drop(store);
    let text = |pipe: WritePipe<Cursor<Vec<u8>>>| -> Result<String> {
        let bytes = pipe.try_into_inner().ok().context("still in use")?;
        Ok(String::from_utf8(bytes.into_inner())?)
    };
    let prompts = "\nyosys> ".repeat(COMMANDS.lines().count() + 1) + "exit\n";
    let (stdout, stderr) = (text(stdout)?, text(stderr)?);
    ensure!(stdout == prompts, "printed {stdout}");
    ensure!(stderr == ERRORS, "said {stderr}");
    Ok(())
}
