//! The cost of placing optimized code: copied into the engine's own code space, or through
//! `cranelift-jit` with one `JITModule` per unit over fresh pages of one reservation, made
//! executable when it is final.
//!
//! Both place the same bytes of 4 KiB with one relocation, make them callable, and free them.

#[path = "../../runtime/tests/support/mod.rs"]
mod support;

use std::io;
use std::ptr;

use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{Linkage, Module, ModuleResult};
use criterion::{Criterion, criterion_group, criterion_main};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
use upshift_abi::{CompileUnit, CompiledFunction, DefinedFuncIndex, Tier};
use upshift_runtime::RuntimeConfig;

const BYTES: usize = 4096;
const PAGE: usize = 4096;
/// Bytes of address space for the modules of `cranelift-jit`. Each leaves two mappings behind, and
/// a process may have 65,530.
const RESERVED: usize = 64 << 20;

fn own_code_space(c: &mut Criterion) {
    let runtime = support::runtime(RuntimeConfig::default());
    let module = support::module(&runtime, "(module (func))", support::no_hooks());
    let func = DefinedFuncIndex(0);
    c.bench_function("placement/own code space", |b| {
        b.iter(|| {
            let code = CompiledFunction {
                code: vec![0xc3; BYTES],
                ..CompiledFunction::default()
            };
            let code = module
                .place(func, CompileUnit::Function, Tier::Optimizer, 1, code)
                .unwrap();
            module.publish(&code);
            module.unpublish(func);
            module.retire(code);
        });
    });
}

/// A provider of fresh pages of one reservation; writable until final, executable from then on.
struct Pages {
    base: usize,
    next: usize,
    fresh: Vec<(usize, usize, bool)>,
}

impl JITMemoryProvider for Pages {
    fn allocate(&mut self, size: usize, _: u64, kind: JITMemoryKind) -> io::Result<*mut u8> {
        let size = size.max(1).next_multiple_of(PAGE);
        let start = self.base + self.next;
        self.next += size;
        // SAFETY: the pages are inside the reservation, and were handed out to no other caller.
        unsafe {
            mprotect(
                start as *mut _,
                size,
                MprotectFlags::READ | MprotectFlags::WRITE,
            )?
        };
        self.fresh
            .push((start, size, matches!(kind, JITMemoryKind::Executable)));
        Ok(start as *mut u8)
    }

    unsafe fn free_memory(&mut self) {}

    fn finalize(&mut self, _: BranchProtection) -> ModuleResult<()> {
        for (start, size, executable) in self.fresh.drain(..) {
            if executable {
                let flags = MprotectFlags::READ | MprotectFlags::EXEC;
                // SAFETY: pages that `allocate` gave out, all of whose bytes are final.
                unsafe { mprotect(start as *mut _, size, flags) }.expect("our own pages");
            }
        }
        Ok(())
    }
}

fn cranelift_jit(c: &mut Criterion) {
    let isa = cranelift_native::builder()
        .unwrap()
        .finish(cranelift_codegen::settings::Flags::new(
            cranelift_codegen::settings::builder(),
        ))
        .unwrap();
    // SAFETY: a fresh mapping touches nothing else.
    let base = unsafe {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        mmap_anonymous(ptr::null_mut(), RESERVED, ProtFlags::empty(), flags).unwrap() as usize
    };
    let mut used = 0;
    let code = vec![0xc3; BYTES];
    c.bench_function("placement/cranelift-jit", |b| {
        b.iter(|| {
            let mut builder =
                JITBuilder::with_isa(isa.clone(), cranelift_module::default_libcall_names());
            // The pages are used again, as they would be when freed.
            builder.memory_provider(Box::new(Pages {
                base: base + used % RESERVED,
                next: 0,
                fresh: Vec::new(),
            }));
            used += BYTES + PAGE;
            let mut module = JITModule::new(builder);
            let signature = module.make_signature();
            let func = module
                .declare_function("f", Linkage::Local, &signature)
                .unwrap();
            module.define_function_bytes(func, 16, &code, &[]).unwrap();
            module.finalize_definitions().unwrap();
            std::hint::black_box(module.get_finalized_function(func));
            // SAFETY: nothing runs the code.
            unsafe { module.free_memory() };
        });
    });
}

criterion_group!(benches, own_code_space, cranelift_jit);
criterion_main!(benches);
