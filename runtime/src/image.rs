//! The initial contents of a module's memory, computed once and mapped copy-on-write by each
//! instance.
//!
//! Copying the data of a large module takes milliseconds per instance. Mapping it takes one system
//! call, and a page is copied when the instance first writes to it. All images of a runtime are in
//! one memory file, one behind the other: an image costs no file descriptor, and holes between
//! segments no memory.
//!
//! An image is complete or absent. A module whose data depends on an imported global, goes to an
//! imported memory, or would trap half-way is initialized by copying, as is one with so little data
//! that a mapping costs more, or with such large gaps between segments that instances which touch
//! them would fill the file with zeros.

use std::sync::{Arc, Mutex, OnceLock};

use upshift_abi::facts::SegmentMode;
use upshift_abi::plan::MemoryPlace;
use upshift_abi::vmctx::PAGE_SIZE;
use upshift_abi::{MemoryIndex, ModuleFacts};

use crate::error::RuntimeError;
use crate::sys::{MemoryFile, Process, Reservation};

/// The fewest bytes of data that are mapped: a page. The mapping stays where an instance's space is
/// used again, while copies take a fault for each page.
const MIN_DATA_BYTES: usize = 4 << 10;

/// How many bytes of gaps between segments an image may have beyond twice the data.
const MAX_GAPS: usize = 1 << 20;

const POISON: &str = "no panic happens under this lock";

/// The file with the images of a runtime. It is created with the first image, so modules without
/// images also run where the system has no memory files. A forked child shares it with its parent,
/// so only the process that created it writes it.
#[derive(Debug)]
pub struct ImageFile {
    process: Process,
    file: OnceLock<MemoryFile>,
    /// The position of the next image. Never decreases: freed parts become holes.
    end: Mutex<u64>,
}

impl ImageFile {
    /// Creates the value without a file.
    pub fn new(process: Process) -> Arc<Self> {
        Arc::new(Self {
            process,
            file: OnceLock::new(),
            end: Mutex::new(0),
        })
    }

    fn allocate(&self, len: u64) -> Result<u64, RuntimeError> {
        self.process.check()?;
        let mut end = self.end.lock().expect(POISON);
        if self.file.get().is_none() {
            let file = MemoryFile::new("upshift-images")?;
            self.file.set(file).expect("made under the lock, once");
        }
        let start = *end;
        self.file().set_len(start + len)?;
        *end = start + len;
        Ok(start)
    }

    fn file(&self) -> &MemoryFile {
        self.file
            .get()
            .expect("a part of the file was allocated before")
    }
}

/// A module's initial memory contents, in whole pages.
#[derive(Debug)]
pub struct MemoryImage {
    images: Arc<ImageFile>,
    /// The memory that the image belongs to.
    memory: MemoryIndex,
    /// The position of the image in the file.
    position: u64,
    /// The offset of the image in the memory.
    start: usize,
    len: usize,
}

impl MemoryImage {
    /// Creates the image of what the module's active data segments write; `None` if they are to be
    /// copied.
    ///
    /// # Errors
    ///
    /// If the memory file can't be written.
    pub fn new(
        images: &Arc<ImageFile>,
        facts: &ModuleFacts,
        wasm: &[u8],
    ) -> Result<Option<Self>, RuntimeError> {
        let Some((memory, segments)) = fixed_segments(facts, wasm) else {
            return Ok(None);
        };
        let page = PAGE_SIZE as usize;
        let bytes: usize = segments.iter().map(|(_, bytes)| bytes.len()).sum();
        let first = segments.iter().map(|&(offset, _)| offset).min();
        let last = segments.iter().map(|(offset, bytes)| offset + bytes.len());
        let (Some(first), Some(last)) = (first, last.max()) else {
            return Ok(None);
        };
        let start = first / page * page;
        let len = last.next_multiple_of(page) - start;
        if bytes < MIN_DATA_BYTES || len > 2 * bytes + MAX_GAPS {
            return Ok(None);
        }
        let image = Self {
            position: images.allocate(len as u64)?,
            images: images.clone(),
            memory,
            start,
            len,
        };
        images.file().fill(image.position, len, |contents| {
            for (offset, bytes) in segments {
                contents[offset - start..][..bytes.len()].copy_from_slice(bytes);
            }
        })?;
        Ok(Some(image))
    }

    /// The memory of the module that the image initializes.
    pub fn memory(&self) -> MemoryIndex {
        self.memory
    }

    /// Maps the image over a memory that starts at the offset in the reservation and still contains
    /// only zeros.
    pub fn map(&self, space: &Reservation, memory: usize) -> Result<(), RuntimeError> {
        space.map_private(
            memory + self.start,
            self.len,
            self.images.file(),
            self.position,
        )
    }
}

impl Drop for MemoryImage {
    /// Frees the image. No instance uses it any more: each holds its module longer than its memory,
    /// and the module holds the image.
    fn drop(&mut self) {
        if !self.images.process.is_current() {
            return;
        }
        if let Err(error) = self
            .images
            .file()
            .punch_hole(self.position, self.len as u64)
        {
            log::warn!("a memory image keeps its memory: {error}");
        }
    }
}

/// An offset in a memory and the bytes that belong there.
type Segment<'a> = (usize, &'a [u8]);

/// The active segments that are not empty with their offsets, in order, and the memory that they go
/// to: if that is one memory, which the module defines and whose contents can be mapped, and all go
/// to fixed places inside it.
fn fixed_segments<'a>(
    facts: &ModuleFacts,
    wasm: &'a [u8],
) -> Option<(MemoryIndex, Vec<Segment<'a>>)> {
    let mut memory = None;
    let mut segments = Vec::new();
    for segment in facts.data.iter() {
        let SegmentMode::Active { target, offset } = &segment.mode else {
            continue;
        };
        if *memory.get_or_insert(*target) != *target {
            return None;
        }
        let plan = facts.plan.memory(*target);
        let mappable = match plan.place {
            MemoryPlace::BehindContext { .. } | MemoryPlace::Apart { .. } => {
                plan.style.can_map_contents()
            }
            MemoryPlace::Shared { .. } | MemoryPlace::Imported { .. } => false,
        };
        let offset = offset
            .fixed_index(plan.style.index())
            .filter(|_| mappable)?;
        let bytes = &wasm[segment.bytes.start as usize..segment.bytes.end as usize];
        if !plan.style.always_holds(offset, 0, bytes.len() as u32) {
            return None;
        }
        if !bytes.is_empty() {
            segments.push((offset as usize, bytes));
        }
    }
    Some((memory?, segments))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offsets and lengths of the segments that an image would have.
    fn segments(module: &str) -> Option<Vec<(usize, usize)>> {
        let wasm = wat::parse_str(module).expect("text that can be assembled");
        let facts = upshift_abi::facts::decode(&wasm)
            .expect("a valid module")
            .facts;
        let (_, segments) = fixed_segments(&facts, &wasm)?;
        Some(
            segments
                .iter()
                .map(|(offset, bytes)| (*offset, bytes.len()))
                .collect(),
        )
    }

    #[test]
    fn only_data_that_is_known_and_fits_makes_an_image() {
        let fits = r#"(module (memory 65536)
            (data (i32.const 0xffff_fffe) "ab") (data "passive") (data (i32.const 5) "")
            (data (i32.const 3) "c"))"#;
        assert_eq!(segments(fits), Some(vec![(0xffff_fffe, 2), (3, 1)]));
        for absent in [
            r#"(module (memory 1) (data (i32.const 0xffff) "ab"))"#,
            r#"(module (memory 1) (data (i32.const 0xffff_ffff) ""))"#,
            r#"(module (import "" "" (memory 1)) (data (i32.const 0) "a"))"#,
            r#"(module (import "" "" (global i32)) (memory 1) (data (global.get 0) "a"))"#,
            "(module)",
        ] {
            assert_eq!(segments(absent), None, "{absent}");
        }
    }
}
