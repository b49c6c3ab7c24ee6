//! The names that a module's name section gives, for people: read when the first is wanted, as most
//! runs need none and large modules have tens of thousands.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use wasmparser::{BinaryReader, Name, NameSectionReader};

use crate::index::{FuncIndex, TagIndex};

/// The names of a module, its functions and its tags.
#[derive(Clone, Default)]
pub struct Names {
    /// The content of each name section.
    sections: Vec<Bytes>,
    read: OnceLock<Read>,
}

#[derive(Clone, Default)]
struct Read {
    module: Option<Box<str>>,
    funcs: HashMap<FuncIndex, Box<str>>,
    tags: HashMap<TagIndex, Box<str>>,
}

impl Names {
    /// Adds a name section's content.
    pub(super) fn add(&mut self, section: Bytes) {
        self.sections.push(section);
        self.read = OnceLock::new();
    }

    /// The module's own name.
    pub fn module(&self) -> Option<&str> {
        self.read().module.as_deref()
    }

    /// The name of a function.
    pub fn func(&self, func: FuncIndex) -> Option<&str> {
        self.read().funcs.get(&func).map(|name| &**name)
    }

    /// The name of a tag.
    pub fn tag(&self, tag: TagIndex) -> Option<&str> {
        self.read().tags.get(&tag).map(|name| &**name)
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| {
            let mut read = Read::default();
            for section in &self.sections {
                let reader = BinaryReader::new(section, 0);
                read.section(NameSectionReader::new(reader));
            }
            read
        })
    }
}

impl Read {
    /// Reads a section as far as it is well-formed: custom sections can't make a module invalid.
    fn section(&mut self, names: NameSectionReader<'_>) {
        for name in names {
            match name {
                Ok(Name::Module { name, .. }) => self.module = Some(name.into()),
                Ok(Name::Function(map)) => {
                    let names = map.into_iter().map_while(Result::ok);
                    let entries = names.map(|naming| (FuncIndex(naming.index), naming.name.into()));
                    self.funcs.extend(entries);
                }
                Ok(Name::Tag(map)) => {
                    let names = map.into_iter().map_while(Result::ok);
                    let entries = names.map(|naming| (TagIndex(naming.index), naming.name.into()));
                    self.tags.extend(entries);
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}
