//! Where in a module an offset is, in words.

use wasmparser::{Parser, Payload};

/// The item of the module that an offset is in, such as `type 3`. `None` for what has no number, or
/// if the module can't be read up to there.
pub(super) fn place(wasm: &[u8], offset: u64) -> Option<String> {
    // The number of imported items precedes that of defined ones.
    let (mut types, mut tables, mut globals) = (0, 0, 0);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.ok()?;
        let (_, range) = payload.as_section().unwrap_or_default();
        let is_here = range.contains(&offset);
        let numbered = |what: &str, first: u32, starts: &mut dyn Iterator<Item = u64>| {
            let before = starts.take_while(|&start| start <= offset).count() as u32;
            Some(format!("{what} {}", first + before.checked_sub(1)?))
        };
        match payload {
            Payload::TypeSection(reader) if is_here => {
                let mut groups = reader.into_iter_with_offsets();
                let mut found = None;
                while let Some(Ok((start, group))) = groups.next() {
                    if start > offset {
                        break;
                    }
                    found = Some(types);
                    types += group.types().len() as u32;
                }
                return found.map(|index| format!("type {index}"));
            }
            Payload::ImportSection(reader) => {
                let mut imports = reader.into_imports_with_offsets();
                let mut index = 0;
                while let Some(Ok((start, import))) = imports.next() {
                    if is_here && start > offset {
                        break;
                    }
                    index += 1;
                    match import.ty {
                        wasmparser::TypeRef::Table(_) => tables += 1,
                        wasmparser::TypeRef::Global(_) => globals += 1,
                        _ => {}
                    }
                }
                if is_here {
                    return Some(format!("import {}", u32::checked_sub(index, 1)?));
                }
            }
            Payload::TableSection(reader) if is_here => {
                let starts = reader.into_iter_with_offsets().map_while(Result::ok);
                return numbered("table", tables, &mut starts.map(|(start, _)| start));
            }
            Payload::GlobalSection(reader) if is_here => {
                let starts = reader.into_iter_with_offsets().map_while(Result::ok);
                return numbered("global", globals, &mut starts.map(|(start, _)| start));
            }
            Payload::ElementSection(reader) if is_here => {
                let starts = reader.into_iter_with_offsets().map_while(Result::ok);
                return numbered("element segment", 0, &mut starts.map(|(start, _)| start));
            }
            Payload::CodeSectionStart { .. } => return None,
            _ => {}
        }
    }
    None
}
