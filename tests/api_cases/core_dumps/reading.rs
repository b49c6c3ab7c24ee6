//! Reads core dumps with wasmparser, as a debugger would.

use std::collections::BTreeMap;

use wasmparser::{
    BinaryReader, CoreDumpInstancesSection, CoreDumpModulesSection, CoreDumpSection,
    CoreDumpStackSection, CoreDumpValue, DataKind, Operator, Parser, Payload, Validator,
    WasmFeatures,
};

/// What a dump contains.
#[derive(Default)]
pub struct Read {
    pub name: String,
    pub modules: Vec<String>,
    pub instances: Vec<InstanceIn>,
    pub frames: Vec<FrameIn>,
    /// Expressions of globals' values.
    pub globals: Vec<Vec<u8>>,
    /// The bytes of memories that are not zero, by memory and address.
    pub bytes: BTreeMap<(u32, u64), u8>,
    pub memories: Vec<wasmparser::MemoryType>,
    pub segments: usize,
}

pub struct InstanceIn {
    pub memories: Vec<u32>,
    pub globals: Vec<u32>,
}

pub struct FrameIn {
    pub instance: u32,
    pub func: u32,
    pub offset: u32,
    /// Numbers as text; `?` for one that is missing.
    pub locals: Vec<String>,
    pub operands: Vec<String>,
}

/// Validates and reads a dump.
pub fn read(dump: &[u8]) -> Read {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(dump).expect("a valid module");
    let mut read = Read::default();
    for payload in Parser::new(0).parse_all(dump) {
        read.add(payload.unwrap());
    }
    read
}

impl Read {
    fn add(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::CustomSection(section) => self.add_custom(section.name(), section.data()),
            Payload::MemorySection(section) => {
                self.memories = section.into_iter().map(Result::unwrap).collect();
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let mut init = global.unwrap().init_expr.get_binary_reader();
                    let len = init.bytes_remaining();
                    self.globals.push(init.read_bytes(len).unwrap().to_vec());
                }
            }
            Payload::DataSection(section) => {
                for segment in section {
                    self.add_segment(&segment.unwrap());
                }
            }
            _ => {}
        }
    }

    fn add_custom(&mut self, name: &str, data: &[u8]) {
        let reader = BinaryReader::new(data, 0);
        match name {
            "core" => self.name = CoreDumpSection::new(reader).unwrap().name.into(),
            "coremodules" => {
                let modules = CoreDumpModulesSection::new(reader).unwrap().modules;
                self.modules = modules.into_iter().map(String::from).collect();
            }
            "coreinstances" => {
                let instances = CoreDumpInstancesSection::new(reader).unwrap().instances;
                let read = instances.into_iter().map(|instance| {
                    assert!((instance.module_index as usize) < self.modules.len());
                    InstanceIn {
                        memories: instance.memories,
                        globals: instance.globals,
                    }
                });
                self.instances = read.collect();
            }
            "corestack" => {
                let frames = CoreDumpStackSection::new(reader).unwrap().frames;
                let text = |values: &[CoreDumpValue]| values.iter().map(text).collect();
                let read = frames.iter().map(|frame| FrameIn {
                    instance: frame.instanceidx,
                    func: frame.funcidx,
                    offset: frame.codeoffset,
                    locals: text(&frame.locals),
                    operands: text(&frame.stack),
                });
                self.frames = read.collect();
            }
            other => panic!("an unexpected section {other}"),
        }
    }

    fn add_segment(&mut self, segment: &wasmparser::Data<'_>) {
        let DataKind::Active {
            memory_index,
            offset_expr,
        } = &segment.kind
        else {
            panic!("a passive segment");
        };
        let start = match offset_expr.get_operators_reader().read().unwrap() {
            Operator::I32Const { value } => u64::from(value as u32),
            Operator::I64Const { value } => value as u64,
            other => panic!("an offset {other:?}"),
        };
        self.segments += 1;
        for (n, &byte) in segment.data.iter().enumerate() {
            if byte != 0 {
                self.bytes.insert((*memory_index, start + n as u64), byte);
            }
        }
    }
}

fn text(value: &CoreDumpValue) -> String {
    match value {
        CoreDumpValue::Missing => "?".into(),
        CoreDumpValue::I32(value) => value.to_string(),
        CoreDumpValue::I64(value) => value.to_string(),
        CoreDumpValue::F32(value) => format!("{:?}", f32::from_bits(value.bits())),
        CoreDumpValue::F64(value) => format!("{:?}", f64::from_bits(value.bits())),
    }
}

/// Checks a frame's values: those that are there must be these, and if `all` are to be known, all
/// must be there but those that are never known (`?`) or need not be (`!` in front). Where nothing
/// is known of a frame it has no operands.
pub fn frame(frame: &FrameIn, all: bool, locals: &[&str], operands: &[&str]) {
    let check = |what: &str, found: &[String], expected: &[&str]| {
        let fits = found.len() == expected.len() || (!all && found.is_empty());
        assert!(
            fits,
            "function {}: {what} {found:?}, not {expected:?}",
            frame.func
        );
        for (found, expected) in found.iter().zip(expected) {
            let optional = expected.starts_with('!') || !all;
            let right = found == expected.trim_start_matches('!') || (optional && found == "?");
            assert!(
                right,
                "function {}: {what} {found:?}, not {expected:?}",
                frame.func
            );
        }
    };
    check("local", &frame.locals, locals);
    check("operand", &frame.operands, operands);
}
