//! The format of core dumps, see the [tool conventions][conventions]: a module whose memories,
//! globals and data are those of a store, with four sections of its own.
//!
//! [conventions]: https://github.com/WebAssembly/tool-conventions/blob/main/Coredump.md

use std::io::{self, Write};

use upshift_runtime::{CoreValue, GlobalId, InstanceId, MemoryId, Store as RawStore};

use super::WasmCoreDump;
use crate::words::global_get;
use crate::{GlobalType, MemoryType, Mutability, RefType, Val, ValType};

/// The least number of bytes of a memory that are looked at for a segment.
const LEAST_PIECE: usize = 4096;

/// The most segments: tools take 100,000.
const MAX_SEGMENTS: usize = 50_000;

/// The most bytes of a section, whose length is a 32-bit number, that segments may take.
const MAX_SECTION: u64 = u32::MAX as u64 - 16;

/// A part of a memory that is not zero.
struct Segment {
    /// The memory, by its place in the dump.
    memory: usize,
    start: usize,
    len: usize,
}

impl WasmCoreDump {
    pub(super) fn write(
        &self,
        store: &mut RawStore,
        name: &str,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let instances: Vec<InstanceId> = self.instances.iter().map(|i| i.id_in(store)).collect();
        let globals: Vec<GlobalId> = self.globals.iter().map(|g| g.0.id_in(store)).collect();
        to.write_all(b"\0asm\x01\0\0\0")?;
        let mut core = vec![0];
        put_name(&mut core, name);
        custom(to, "core", &core)?;
        section(to, 5, &memory_section(store, &self.all_memories))?;
        section(to, 6, &global_section(store, &globals))?;
        write_data(store, &self.all_memories, to)?;
        custom(to, "coremodules", &self.module_section())?;
        let section = self.instance_section(store, &instances, &globals);
        custom(to, "coreinstances", &section)?;
        custom(to, "corestack", &self.stack_section(&instances))
    }

    fn module_section(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_count(&mut out, self.modules.len());
        for (index, module) in self.modules.iter().enumerate() {
            out.push(0);
            match module.name() {
                Some(name) => put_name(&mut out, name),
                None => put_name(&mut out, &format!("<anonymous-module-{index}>")),
            }
        }
        out
    }

    fn instance_section(
        &self,
        store: &RawStore,
        instances: &[InstanceId],
        globals: &[GlobalId],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        put_count(&mut out, instances.len());
        for &instance in instances {
            let code = store.instance_module(instance);
            let modules = &mut self.modules.iter();
            let module = modules.position(|module| module.code().id() == code.id());
            out.push(0);
            put_index(&mut out, module);
            let memories = store.instance_memories(instance);
            put_positions(&mut out, memories, &self.all_memories);
            put_positions(&mut out, store.instance_globals(instance), globals);
        }
        out
    }

    fn stack_section(&self, instances: &[InstanceId]) -> Vec<u8> {
        let mut out = vec![0];
        put_name(&mut out, "main");
        put_count(&mut out, self.frames.len());
        for (frame, detail) in self.frames.iter().zip(&self.details) {
            let instance = instances.iter().position(|&id| Some(id) == detail.instance);
            out.push(0);
            put_index(&mut out, instance);
            put_u64(&mut out, frame.func_index().into());
            put_count(&mut out, frame.func_offset().unwrap_or(0));
            for values in [&detail.locals, &detail.operands] {
                put_count(&mut out, values.len());
                for &value in values {
                    put_value(&mut out, value);
                }
            }
        }
        out
    }
}

fn memory_section(store: &RawStore, memories: &[MemoryId]) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, memories.len());
    for &id in memories {
        let ty = MemoryType(store.memory_type(id));
        let custom_page = ty.page_size_log2() != 16;
        let flags = [
            ty.maximum().is_some(),
            ty.is_shared(),
            ty.is_64(),
            custom_page,
        ];
        let flags = flags.iter().enumerate();
        out.push(flags.map(|(bit, &set)| u8::from(set) << bit).sum());
        put_u64(&mut out, store.memory_pages(id));
        if let Some(maximum) = ty.maximum() {
            put_u64(&mut out, maximum);
        }
        if custom_page {
            put_u64(&mut out, ty.page_size_log2().into());
        }
    }
    out
}

fn global_section(store: &mut RawStore, globals: &[GlobalId]) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, globals.len());
    for &id in globals {
        let ty = GlobalType(store.global_type(id));
        let mutable = u8::from(ty.mutability() == Mutability::Var);
        match global_get(store, id) {
            Val::I32(value) => {
                out.extend([0x7f, mutable, 0x41]);
                put_i64(&mut out, value.into());
            }
            Val::I64(value) => {
                out.extend([0x7e, mutable, 0x42]);
                put_i64(&mut out, value);
            }
            Val::F32(bits) => {
                out.extend([0x7d, mutable, 0x43]);
                out.extend(bits.to_le_bytes());
            }
            Val::F64(bits) => {
                out.extend([0x7c, mutable, 0x44]);
                out.extend(bits.to_le_bytes());
            }
            Val::V128(value) => {
                out.extend([0x7b, mutable, 0xfd, 0x0c]);
                out.extend(value.as_u128().to_le_bytes());
            }
            // References mean nothing outside of the store: a null of the most general type.
            Val::FuncRef(_) | Val::ExternRef(_) | Val::ExnRef(_) => {
                let heap = heap_type(ty.content());
                out.extend([heap, mutable, 0xd0, heap]);
            }
        }
        out.push(0x0b);
    }
    out
}

/// The encoding of the most general heap type of a reference type.
fn heap_type(ty: ValType) -> u8 {
    match ty {
        ValType::Ref(ty) if ty.matches(RefType::EXTERNREF) => 0x6f,
        ValType::Ref(ty) if ty.matches(RefType::EXNREF) => 0x69,
        _ => 0x70,
    }
}

/// Writes the data section: first its length, so memories are looked through before. Which bytes
/// are written is decided then, since those of a shared memory may change meanwhile.
fn write_data(store: &RawStore, memories: &[MemoryId], to: &mut impl Write) -> io::Result<()> {
    let mut segments = Vec::new();
    let mut piece = LEAST_PIECE;
    while !find_segments(store, memories, piece, &mut segments) {
        piece *= 2;
    }
    let (mut len, mut fitting) = (0_u64, 0);
    for segment in &segments {
        let more = header(store, memories, segment).len() + segment.len;
        if len + more as u64 > MAX_SECTION {
            break;
        }
        len += more as u64;
        fitting += 1;
    }
    let mut count = Vec::new();
    put_count(&mut count, fitting);
    let mut head = vec![11];
    put_u64(&mut head, len + count.len() as u64);
    to.write_all(&head)?;
    to.write_all(&count)?;
    let mut buffer = Vec::new();
    for segment in &segments[..fitting] {
        to.write_all(&header(store, memories, segment))?;
        buffer.resize(segment.len, 0);
        read(store, memories[segment.memory], segment.start, &mut buffer);
        to.write_all(&buffer)?;
    }
    Ok(())
}

/// Finds what is not zero in pieces of memories; returns false if there are too many of them.
fn find_segments(
    store: &RawStore,
    memories: &[MemoryId],
    piece: usize,
    segments: &mut Vec<Segment>,
) -> bool {
    segments.clear();
    let mut buffer = vec![0; piece];
    for (memory, &id) in memories.iter().enumerate() {
        let len = store.memory_len(id);
        for start in (0..len).step_by(piece) {
            let bytes = &mut buffer[..piece.min(len - start)];
            read(store, id, start, bytes);
            let Some(first) = bytes.iter().position(|&byte| byte != 0) else {
                continue;
            };
            let last = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(first);
            if segments.len() == MAX_SEGMENTS {
                return false;
            }
            segments.push(Segment {
                memory,
                start: start + first,
                len: last + 1 - first,
            });
        }
    }
    true
}

/// Copies bytes of a memory, which has them.
fn read(store: &RawStore, memory: MemoryId, start: usize, to: &mut [u8]) {
    match store.shared_memory(memory) {
        Some(shared) => {
            let read = shared.read(start, to);
            read.expect("memories do not shrink");
        }
        None => to.copy_from_slice(&store.memory_data(memory)[start..start + to.len()]),
    }
}

/// The beginning of a segment: where it goes, and its length.
fn header(store: &RawStore, memories: &[MemoryId], segment: &Segment) -> Vec<u8> {
    let mut out = vec![2];
    put_count(&mut out, segment.memory);
    let offset = segment.start as u64;
    if MemoryType(store.memory_type(memories[segment.memory])).is_64() {
        out.push(0x42);
        put_i64(&mut out, offset.cast_signed());
    } else {
        out.push(0x41);
        put_i64(&mut out, i64::from((offset as u32).cast_signed()));
    }
    out.push(0x0b);
    put_count(&mut out, segment.len);
    out
}

fn put_value(out: &mut Vec<u8>, value: CoreValue) {
    match value {
        CoreValue::Missing => out.push(0x01),
        CoreValue::I32(value) => {
            out.push(0x7f);
            put_i64(out, value.into());
        }
        CoreValue::I64(value) => {
            out.push(0x7e);
            put_i64(out, value);
        }
        CoreValue::F32(bits) => {
            out.push(0x7d);
            out.extend(bits.to_le_bytes());
        }
        CoreValue::F64(bits) => {
            out.push(0x7c);
            out.extend(bits.to_le_bytes());
        }
    }
}

/// Writes the positions of items among all of the dump. Those that were made since it was taken
/// have none.
fn put_positions<I: PartialEq>(out: &mut Vec<u8>, items: &[I], all: &[I]) {
    put_count(out, items.len());
    for item in items {
        put_index(out, all.iter().position(|known| known == item));
    }
}

/// Writes an index, or one that nothing has.
fn put_index(out: &mut Vec<u8>, index: Option<usize>) {
    put_count(out, index.unwrap_or(u32::MAX as usize));
}

fn section(to: &mut impl Write, id: u8, content: &[u8]) -> io::Result<()> {
    let mut head = vec![id];
    put_count(&mut head, content.len());
    to.write_all(&head)?;
    to.write_all(content)
}

fn custom(to: &mut impl Write, name: &str, content: &[u8]) -> io::Result<()> {
    let mut whole = Vec::new();
    put_name(&mut whole, name);
    whole.extend(content);
    section(to, 0, &whole)
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    put_count(out, name.len());
    out.extend(name.as_bytes());
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    put_u64(out, count as u64);
}

/// Writes a number in LEB128.
fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a signed number in LEB128.
fn put_i64(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = value as u8 & 0x7f;
        value >>= 7;
        let end = if byte & 0x40 == 0 { 0 } else { -1 };
        if value == end {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}
