//! The environment matrix: the `upshift` command where the system grants less than usual.
//!
//! Each test is one environment and one program: `environment/no-memfd/compute`. A program gives
//! the right output, or the command ends with an exit code other than 0 and one line on standard
//! error that says what is missing; what an environment may refuse is in its row. Never does a
//! signal end it, and never does it hang.
//!
//! An environment is a command that runs another one in it. For refused system calls that is this
//! file's own executable: `environments --deny memfd_create=ENOSYS -- CMD ARGS` installs a filter
//! and becomes `CMD`. What the machine does not allow to set up (mounts need root) is skipped, and
//! said so.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

/// The longest time that a run may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What a run must do in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// The run must give the right output.
    Works,
    /// The run must end right. Its output is lost, as it has no reader.
    WorksUnseen,
    /// The run must give the right output, or one line that says what is missing.
    MayRefuse,
}

/// An environment in which the system grants less.
struct Environment {
    name: &'static str,
    /// A command that runs the command behind it in this environment.
    enter: Vec<OsString>,
    demand: Demand,
}

/// A program and how it ends where it works.
struct Program {
    name: &'static str,
    /// Options before the file.
    options: &'static [&'static str],
    file: &'static str,
    args: &'static [&'static str],
    code: i32,
    stdout: &'static str,
    /// The text on standard error, or nothing.
    stderr: &'static str,
}

const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\06\00\00\00")
    (data (i32.const 16) "hello\n")
    (func (export "_start")
        (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
            (then unreachable))))"#;

/// A program that calls a function and runs a loop often enough for both to be optimized meanwhile.
const COMPUTE: &str = r#"(module
    (memory 1)
    (func $step (param $x i32) (result i32)
        (i32.store (i32.and (local.get $x) (i32.const 0xfffc)) (local.get $x))
        (i32.add
            (i32.mul (local.get $x) (i32.const 1664525))
            (i32.load (i32.and (local.get $x) (i32.const 0xfffc)))))
    (func (export "compute") (param $n i32) (result i32)
        (local $x i32)
        (local.set $x (i32.const 1))
        (loop $again
            (local.set $x (i32.add (call $step (local.get $x)) (i32.const 1)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $again (local.get $n)))
        (local.get $x)))"#;

const RECURSION: &str = r#"(module
    (func $f (export "f") (param i32) (result i32)
        (i32.add (i32.const 1) (call $f (local.get 0)))))"#;

const FILES: [(&str, &str); 3] = [
    ("hello.wat", HELLO),
    ("compute.wat", COMPUTE),
    ("recursion.wat", RECURSION),
];

/// The output of [`COMPUTE`] after 20 million steps.
const COMPUTED: &str = "18851643\n";

fn programs() -> Vec<Program> {
    let hello = |name, options| Program {
        name,
        options,
        file: "hello.wat",
        args: &[],
        code: 0,
        stdout: "hello\n",
        stderr: "",
    };
    let compute = |name, options| Program {
        name,
        options,
        file: "compute.wat",
        args: &["20000000"],
        code: 0,
        stdout: COMPUTED,
        stderr: "",
    };
    let recursion = |name, options| Program {
        name,
        options,
        file: "recursion.wat",
        args: &["1"],
        code: 134,
        stdout: "",
        stderr: "wasm trap: call stack exhausted",
    };
    vec![
        hello("hello", &[]),
        hello("hello-timeout", &["-W", "timeout=9s"]),
        compute("compute", &["--invoke", "compute"]),
        compute(
            "compute-sync",
            &["-T", "switching=sync", "--invoke", "compute"],
        ),
        recursion("recursion", &["--invoke", "f"]),
        recursion(
            "recursion-8mib",
            &["-W", "max-stack=8388608", "--invoke", "f"],
        ),
    ]
}

fn environments() -> Vec<Environment> {
    use Demand::{MayRefuse, Works, WorksUnseen};
    let shell = |name, demand, script: &str| Environment {
        name,
        enter: words(&["sh", "-c", script, "sh"]),
        demand,
    };
    let within = |name, words: Vec<OsString>| Environment {
        name,
        enter: words,
        demand: Works,
    };
    vec![
        within("plain", words(&["env"])),
        shell(
            "address-space-3gb",
            Works,
            r#"ulimit -v 3000000; exec "$@""#,
        ),
        shell(
            "address-space-500mb",
            Works,
            r#"ulimit -v 500000; exec "$@""#,
        ),
        shell(
            "address-space-50mb",
            MayRefuse,
            r#"ulimit -v 50000; exec "$@""#,
        ),
        shell("data-50mb", Works, r#"ulimit -d 50000; exec "$@""#),
        shell("file-size", Works, r#"ulimit -f 1000; exec "$@""#),
        shell("stack-1mb", Works, r#"ulimit -s 1024; exec "$@""#),
        shell("descriptors-16", Works, r#"ulimit -n 16; exec "$@""#),
        shell("descriptors-8", Works, r#"ulimit -n 8; exec "$@""#),
        shell("descriptors-4", MayRefuse, r#"ulimit -n 4; exec "$@""#),
        within("memfd-enosys", deny("memfd_create=ENOSYS")),
        within("memfd-eperm", deny("memfd_create=EPERM")),
        within("membarrier-enosys", deny("membarrier=ENOSYS")),
        within("no-threads", deny(NO_THREADS)),
        within("no-eventfd", deny("eventfd2=ENOSYS,eventfd=ENOSYS")),
        within(
            "no-memfd-no-threads",
            deny(&format!("memfd_create=ENOSYS,{NO_THREADS}")),
        ),
        within("container", deny(CONTAINER)),
        shell(
            "stack-1mb-no-threads",
            Works,
            &format!(
                r#"ulimit -s 1024; exec '{}' --deny {NO_THREADS} -- "$@""#,
                own_path().display()
            ),
        ),
        within("no-proc", mounted("mount -t tmpfs tmpfs /proc")),
        within("read-only-root", mounted("mount -o remount,bind,ro /")),
        within(
            "no-proc-read-only-root",
            mounted("mount -t tmpfs tmpfs /proc && mount -o remount,bind,ro /"),
        ),
        shell("stdin-null", Works, r#"exec "$@" </dev/null"#),
        shell("stdin-closed", Works, r#"exec "$@" <&-"#),
        shell("stdin-directory", Works, r#"exec "$@" </"#),
        shell("stdout-closed", WorksUnseen, r#"exec "$@" >&-"#),
        within("one-cpu", words(&["taskset", "-c", &first_cpu()])),
        within(
            "not-root",
            words(&["setpriv", "--reuid", "65534", "--clear-groups"]),
        ),
    ]
}

/// The system call that creates threads. `clone3` has its flags in memory, where a filter can't
/// read them.
const NO_THREADS: &str = "clone:CLONE_THREAD=EAGAIN,clone3=EAGAIN";

/// The system calls that container runtimes refuse by default.
const CONTAINER: &str = "keyctl=EPERM,add_key=EPERM,request_key=EPERM,bpf=EPERM,\
    perf_event_open=EPERM,userfaultfd=EPERM,mount=EPERM,umount2=EPERM,pivot_root=EPERM,\
    ptrace=EPERM,io_uring_setup=EPERM,io_uring_enter=EPERM,io_uring_register=EPERM,\
    kexec_load=EPERM,kexec_file_load=EPERM,init_module=EPERM,finit_module=EPERM,\
    delete_module=EPERM,open_by_handle_at=EPERM,process_vm_readv=EPERM,process_vm_writev=EPERM,\
    kcmp=EPERM,mbind=EPERM,set_mempolicy=EPERM,move_pages=EPERM,setns=EPERM,unshare=EPERM,\
    swapon=EPERM,swapoff=EPERM,reboot=EPERM,acct=EPERM,quotactl=EPERM,personality=EPERM,\
    clone3=ENOSYS,clone:CLONE_NEWNS=EPERM,clone:CLONE_NEWUTS=EPERM,clone:CLONE_NEWIPC=EPERM,\
    clone:CLONE_NEWUSER=EPERM,clone:CLONE_NEWPID=EPERM,clone:CLONE_NEWNET=EPERM,\
    clone:CLONE_NEWCGROUP=EPERM";

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn own_path() -> PathBuf {
    std::env::current_exe().expect("the path of this executable")
}

fn deny(list: &str) -> Vec<OsString> {
    let options = ["--deny", list, "--"].map(OsString::from);
    [own_path().into()].into_iter().chain(options).collect()
}

fn mounted(mounts: &str) -> Vec<OsString> {
    let script = format!(r#"{mounts} && exec "$@""#);
    words(&["unshare", "-m", "sh", "-c", &script, "sh"])
}

/// The first processor that this process may run on.
fn first_cpu() -> String {
    let allowed = rustix::thread::sched_getaffinity(None).expect("the processors of this process");
    let first = (0..1024).find(|&cpu| allowed.is_set(cpu));
    first.expect("at least one").to_string()
}

/// How a run ended.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// Runs a command to its end.
///
/// # Errors
///
/// If it can't be started, or takes longer than [`LIMIT`].
fn run(words: &[OsString]) -> Result<Ended, String> {
    let (program, args) = words.split_first().expect("a command");
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let start = Instant::now();
    // What the programs print fits into a pipe, so they need no reader to end.
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if start.elapsed() < LIMIT => sleep(Duration::from_millis(2)),
            None => {
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
                return Err(format!("it hung for {LIMIT:?}"));
            }
        }
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let pipes = child.stdout.take().zip(child.stderr.take());
    let (mut out, mut err) = pipes.expect("both are piped");
    out.read_to_string(&mut stdout)
        .and_then(|_| err.read_to_string(&mut stderr))
        .map_err(|error| format!("the output can't be read: {error}"))?;
    Ok(Ended {
        status,
        stdout,
        stderr,
    })
}

/// The failures of a run, if any.
fn judge(ended: &Ended, program: &Program, demand: Demand) -> Result<(), String> {
    if let Some(signal) = ended.status.signal() {
        return Err(format!("signal {signal} ended it"));
    }
    let (warnings, rest): (Vec<_>, Vec<_>) =
        (ended.stderr.lines()).partition(|line| line.starts_with("warning: "));
    let stdout = match demand {
        Demand::WorksUnseen => "",
        Demand::Works | Demand::MayRefuse => program.stdout,
    };
    let said = match program.stderr {
        "" => rest.is_empty(),
        text => rest.iter().any(|line| line.contains(text)),
    };
    if ended.status.code() == Some(program.code) && ended.stdout == stdout && said {
        return Ok(());
    }
    if demand != Demand::MayRefuse {
        return Err("it does not work".into());
    }
    match rest[..] {
        _ if ended.status.success() => Err("it failed with exit code 0".into()),
        [line] if line.starts_with("error: ") && warnings.is_empty() => Ok(()),
        _ => Err("it does not say in one line what is missing".into()),
    }
}

/// A folder that every user may read, with the command and the programs. It is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Folder> {
        let name = format!("upshift-environments-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        fs::create_dir(&folder.0)?;
        let everyone = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755));
        everyone(&folder.0)?;
        fs::copy(env!("CARGO_BIN_EXE_upshift"), folder.command())?;
        everyone(&folder.command())?;
        for (name, text) in FILES {
            let path = folder.0.join(name);
            fs::write(&path, text)?;
            everyone(&path)?;
        }
        Ok(folder)
    }

    fn command(&self) -> PathBuf {
        self.0.join("upshift")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It lies among temporary files, which the system removes as well.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn check(
    folder: &Folder,
    environment: &Environment,
    program: &Program,
) -> Result<Completion, Failed> {
    let entered = |command: Vec<OsString>| [environment.enter.clone(), command].concat();
    let probe = run(&entered(words(&["true"])))?;
    if !probe.status.success() {
        let name = environment.name;
        let reason = format!("cannot set up `{name}` here: {}", probe.stderr.trim());
        eprintln!("skipped: {reason}");
        return Ok(Completion::ignored_with(reason));
    }
    let mut command = vec![folder.command().into()];
    command.extend(words(program.options));
    command.push(folder.0.join(program.file).into());
    command.extend(words(program.args));
    let ended = run(&entered(command))?;
    match judge(&ended, program, environment.demand) {
        Ok(()) => Ok(Completion::Completed),
        Err(wrong) => Err(Failed::from(format!("{wrong}: {ended:#?}"))),
    }
}

/// Checks that the program that is to tier up does so, without which the matrix would not test
/// that.
fn compute_tiers_up(folder: &Folder) -> Result<(), Failed> {
    let mut command: Vec<OsString> = vec![folder.command().into()];
    command.extend(words(&["--stats=json", "--invoke", "compute"]));
    command.push(folder.0.join("compute.wat").into());
    command.extend(words(&["20000000"]));
    let ended = run(&command)?;
    let stats: serde_json::Value = serde_json::from_str(ended.stderr.trim())?;
    match stats["optimizer"]["functions"].as_u64() {
        Some(1..) => Ok(()),
        _ => Err(Failed::from(format!("nothing was optimized: {stats:#}"))),
    }
}

fn test() -> ExitCode {
    let args = Arguments::from_args();
    let folder = match Folder::new() {
        Ok(folder) => Arc::new(folder),
        Err(error) => {
            eprintln!("cannot make a folder with the command: {error}");
            return ExitCode::FAILURE;
        }
    };
    let programs: Vec<_> = programs().into_iter().map(Arc::new).collect();
    let mut trials = vec![Trial::test("compute_tiers_up", {
        let folder = Arc::clone(&folder);
        move || compute_tiers_up(&folder)
    })];
    for environment in environments().into_iter().map(Arc::new) {
        for program in &programs {
            let name = format!("environment/{}/{}", environment.name, program.name);
            let (folder, environment) = (Arc::clone(&folder), Arc::clone(&environment));
            let program = Arc::clone(program);
            let run = move || check(&folder, &environment, &program);
            trials.push(Trial::ignorable_test(name, run));
        }
    }
    libtest_mimic::run(&args, trials).exit_code()
}

/// Finds the number of a name of the C library, by a table of the names that are used here.
macro_rules! numbers {
    ($function:ident, $type:ty, $($name:literal => $constant:ident),+ $(,)?) => {
        fn $function(name: &str) -> Result<$type, String> {
            match name {
                $($name => Ok(libc::$constant),)+
                _ => {
                    let table = stringify!($function);
                    Err(format!("`{name}` is not in the table of {table}"))
                }
            }
        }
    };
}

numbers!(errno, i32, "ENOSYS" => ENOSYS, "EPERM" => EPERM, "EAGAIN" => EAGAIN);

numbers!(
    flag, i32,
    "CLONE_THREAD" => CLONE_THREAD, "CLONE_NEWNS" => CLONE_NEWNS, "CLONE_NEWUTS" => CLONE_NEWUTS,
    "CLONE_NEWIPC" => CLONE_NEWIPC, "CLONE_NEWUSER" => CLONE_NEWUSER,
    "CLONE_NEWPID" => CLONE_NEWPID, "CLONE_NEWNET" => CLONE_NEWNET,
    "CLONE_NEWCGROUP" => CLONE_NEWCGROUP,
);

numbers!(
    system_call, i64,
    "acct" => SYS_acct, "add_key" => SYS_add_key, "bpf" => SYS_bpf, "clone" => SYS_clone,
    "clone3" => SYS_clone3, "delete_module" => SYS_delete_module, "eventfd" => SYS_eventfd,
    "eventfd2" => SYS_eventfd2, "finit_module" => SYS_finit_module,
    "init_module" => SYS_init_module, "io_uring_enter" => SYS_io_uring_enter,
    "io_uring_register" => SYS_io_uring_register, "io_uring_setup" => SYS_io_uring_setup,
    "kcmp" => SYS_kcmp, "kexec_file_load" => SYS_kexec_file_load, "kexec_load" => SYS_kexec_load,
    "keyctl" => SYS_keyctl, "mbind" => SYS_mbind, "membarrier" => SYS_membarrier,
    "memfd_create" => SYS_memfd_create, "mount" => SYS_mount, "move_pages" => SYS_move_pages,
    "open_by_handle_at" => SYS_open_by_handle_at, "perf_event_open" => SYS_perf_event_open,
    "personality" => SYS_personality, "pivot_root" => SYS_pivot_root,
    "process_vm_readv" => SYS_process_vm_readv, "process_vm_writev" => SYS_process_vm_writev,
    "ptrace" => SYS_ptrace, "quotactl" => SYS_quotactl, "reboot" => SYS_reboot,
    "request_key" => SYS_request_key, "set_mempolicy" => SYS_set_mempolicy, "setns" => SYS_setns,
    "swapoff" => SYS_swapoff, "swapon" => SYS_swapon, "umount2" => SYS_umount2,
    "unshare" => SYS_unshare, "userfaultfd" => SYS_userfaultfd,
);

/// The filter for one refusal: `CALL=ERROR`, or `CALL:FLAG=ERROR` if the first argument must have a
/// flag.
fn filter(refusal: &str) -> Result<BpfProgram, String> {
    let wrong = |error: seccompiler::BackendError| format!("`{refusal}`: {error}");
    let (call, error) = (refusal.split_once('=')).ok_or(format!("`{refusal}` lacks `=ERROR`"))?;
    let (call, flag_name) = match call.split_once(':') {
        Some((call, flag)) => (call, Some(flag)),
        None => (call, None),
    };
    let rules = match flag_name {
        None => Vec::new(),
        Some(name) => {
            let bit = u64::from(flag(name)?.cast_unsigned());
            let has = SeccompCmpOp::MaskedEq(bit);
            SeccompCondition::new(0, SeccompCmpArgLen::Qword, has, bit)
                .and_then(|condition| SeccompRule::new(vec![condition]))
                .map(|rule| vec![rule])
                .map_err(wrong)?
        }
    };
    SeccompFilter::new(
        [(system_call(call)?, rules)].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno(error)?.cast_unsigned()),
        TargetArch::x86_64,
    )
    .and_then(BpfProgram::try_from)
    .map_err(wrong)
}

/// Executes another command, with the system calls of the list refused. Returns only the reason of
/// a failure.
fn become_denied(mut args: impl Iterator<Item = OsString>) -> String {
    let list = args.next().and_then(|list| list.into_string().ok());
    let separator = args.next();
    let (Some(list), Some("--"), Some(command)) = (
        list,
        separator.as_ref().and_then(|word| word.to_str()),
        args.next(),
    ) else {
        return "usage: environments --deny CALL[:FLAG]=ERROR,... -- CMD ARGS".into();
    };
    for refusal in list.split(',') {
        let applied = filter(refusal).map(|filter| apply_filter(&filter));
        match applied {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return format!("cannot refuse `{refusal}`: {error}"),
            Err(error) => return error,
        }
    }
    let error = Command::new(&command).args(args).exec();
    format!("cannot run {}: {error}", command.display())
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|arg| arg == "--deny") {
        eprintln!("{}", become_denied(args));
        return ExitCode::FAILURE;
    }
    test()
}
