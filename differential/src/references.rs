//! Rewrites direct calls of a module into calls by typed references, which `wasm-smith` makes only
//! together with garbage collection. The module does the same as before, but for the few calls that
//! become calls of null.
//!
//! References come from `ref.func`, locals (nullable, null at first in each call, or set just
//! before), globals, tables, and parameters of functions that do nothing but call them. Nulls are
//! found by `br_on_null`, `br_on_non_null` and `ref.as_non_null`.

use fastrand::Rng;
use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, Function, FunctionSection,
    GlobalSection, GlobalType, HeapType, Instruction, Module, RefType, TableSection, TableType,
    TypeSection, ValType,
};
use wasmparser::{Operator, Parser, Payload, TypeRef, Validator, WasmFeatures};

use crate::additions::encoded;

type Error = wasm_encoder::reencode::Error;

/// Rewrites a module, which is valid and has no types of references but the abstract ones.
pub fn rewrite(wasm: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut rewriter = Rewriter::new(wasm, rng);
    let mut module = Module::new();
    rewriter
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .expect("valid modules can be encoded again");
    module.finish()
}

/// What is added for one type of functions.
#[derive(Clone, Debug)]
struct Added {
    /// The type of functions.
    ty: u32,
    params: Vec<ValType>,
    results: Vec<ValType>,
    /// The functions of that type; in the table they stand in this order, behind a null.
    functions: Vec<u32>,
    /// The type of blocks that leave the parameters as they are.
    keep: u32,
    /// The type of blocks that add a reference to the parameters.
    add: u32,
    /// The function that takes the parameters and a reference, and its type.
    apply: u32,
    apply_type: u32,
    /// The table of references.
    table: u32,
}

struct Rewriter<'a> {
    rng: &'a mut Rng,
    added: Vec<Added>,
    /// The type of each function.
    function_types: Vec<u32>,
    /// The global that refers to the first function; the others' follow.
    first_global: u32,
    /// Whether there is a section of tables, and one of elements, to add to.
    tables: bool,
    /// The function whose body comes next.
    next: usize,
}

impl<'a> Rewriter<'a> {
    fn new(wasm: &[u8], rng: &'a mut Rng) -> Self {
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let types = validator.validate_all(wasm).expect("valid");
        let types = types.as_ref();
        let mut function_types = Vec::new();
        let (mut imported, mut sections) = (0, 0);
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("valid") {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if let TypeRef::Func(ty) = import.expect("valid").ty {
                            function_types.push(ty);
                            imported += 1;
                        }
                    }
                }
                Payload::FunctionSection(functions) => {
                    function_types.extend(functions.into_iter().map(|ty| ty.expect("valid")));
                }
                Payload::TableSection(_) | Payload::ElementSection(_) => sections += 1,
                _ => {}
            }
        }
        let mut rewriter = Self {
            rng,
            added: Vec::new(),
            function_types,
            first_global: types.global_count(),
            tables: sections == 2,
            next: imported,
        };
        rewriter.add(&types);
        rewriter
    }

    fn add(&mut self, types: &wasmparser::types::TypesRef<'_>) {
        let mut distinct = self.function_types.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for ty in distinct {
            let number = self.added.len() as u32;
            let first_type = types.core_type_count_in_module() + 3 * number;
            let func = types[types.core_type_at_in_module(ty)].unwrap_func();
            let functions = self.function_types.iter().enumerate();
            let functions = functions.filter(|(_, other)| **other == ty);
            self.added.push(Added {
                ty,
                params: encoded(func.params()),
                results: encoded(func.results()),
                functions: functions.map(|(index, _)| index as u32).collect(),
                keep: first_type,
                add: first_type + 1,
                apply_type: first_type + 2,
                apply: self.function_types.len() as u32 + number,
                table: types.table_count() + number,
            });
        }
    }

    fn of_function(&self, function: u32) -> &Added {
        let ty = self.function_types[function as usize];
        let mut added = self.added.iter();
        added
            .find(|added| added.ty == ty)
            .expect("one for each type of functions")
    }
}

fn reference(ty: u32, nullable: bool) -> RefType {
    RefType {
        nullable,
        heap_type: HeapType::Concrete(ty),
    }
}

/// The body that is being written.
struct Body {
    locals: Vec<(u32, ValType)>,
    count: u32,
    code: Vec<Instruction<'static>>,
}

impl Body {
    fn local(&mut self, ty: RefType) -> u32 {
        self.locals.push((1, ValType::Ref(ty)));
        self.count += 1;
        self.count - 1
    }
}

/// How a direct call is made instead.
#[derive(Clone, Copy)]
enum Way {
    Function,
    NullableLocal,
    NonNullLocal,
    Global,
    Table,
    Apply,
    BranchOnNull,
    BranchOnNonNull,
    Null,
}

impl Rewriter<'_> {
    fn way(&mut self, tail: bool) -> Way {
        match self.rng.usize(..if tail { 50 } else { 80 }) {
            0 => Way::Null,
            1..10 => Way::Function,
            10..20 => Way::NullableLocal,
            20..30 => Way::NonNullLocal,
            30..40 => Way::Global,
            40..50 if self.tables => Way::Table,
            40..60 => Way::BranchOnNull,
            60..70 => Way::BranchOnNonNull,
            _ => Way::Apply,
        }
    }

    /// Puts a reference to a function on the stack, for a call that follows.
    fn reference(&self, way: Way, function: u32, body: &mut Body) {
        let added = self.of_function(function);
        match way {
            Way::Null => body
                .code
                .push(Instruction::RefNull(HeapType::Concrete(added.ty))),
            Way::Global => {
                body.code
                    .push(Instruction::GlobalGet(self.first_global + function));
            }
            Way::Table => {
                let mut functions = added.functions.iter();
                let at = functions
                    .position(|other| *other == function)
                    .expect("listed");
                body.code.push(Instruction::I32Const(at as i32 + 1));
                body.code.push(Instruction::TableGet(added.table));
            }
            Way::NullableLocal | Way::NonNullLocal => {
                let nullable = matches!(way, Way::NullableLocal);
                let local = body.local(reference(added.ty, nullable));
                body.code.push(Instruction::RefFunc(function));
                body.code.push(Instruction::LocalSet(local));
                body.code.push(Instruction::LocalGet(local));
                if nullable {
                    body.code.push(Instruction::RefAsNonNull);
                }
            }
            _ => body.code.push(Instruction::RefFunc(function)),
        }
    }

    fn call(&mut self, function: u32, body: &mut Body) {
        let way = self.way(false);
        let added = self.of_function(function);
        let ty = added.ty;
        match way {
            Way::Apply => {
                body.code.push(Instruction::RefFunc(function));
                body.code.push(Instruction::Call(added.apply));
            }
            // The local is null in the first iteration of a loop, and refers to the function then.
            Way::BranchOnNull => {
                let local = body.local(reference(ty, true));
                body.code.extend([
                    Instruction::Block(BlockType::FunctionType(ty)),
                    Instruction::Block(BlockType::FunctionType(added.keep)),
                    Instruction::LocalGet(local),
                    Instruction::BrOnNull(0),
                    Instruction::CallRef(ty),
                    Instruction::Br(1),
                    Instruction::End,
                    Instruction::RefFunc(function),
                    Instruction::LocalTee(local),
                    Instruction::CallRef(ty),
                    Instruction::End,
                ]);
            }
            Way::BranchOnNonNull => {
                let local = body.local(reference(ty, true));
                body.code.extend([
                    Instruction::Block(BlockType::FunctionType(added.add)),
                    Instruction::LocalGet(local),
                    Instruction::BrOnNonNull(0),
                    Instruction::RefFunc(function),
                    Instruction::LocalTee(local),
                    Instruction::RefAsNonNull,
                    Instruction::End,
                    Instruction::CallRef(ty),
                ]);
            }
            _ => {
                self.reference(way, function, body);
                body.code.push(Instruction::CallRef(ty));
            }
        }
    }

    fn return_call(&mut self, function: u32, body: &mut Body) {
        let way = self.way(true);
        self.reference(way, function, body);
        body.code
            .push(Instruction::ReturnCallRef(self.of_function(function).ty));
    }
}

impl Reencode for Rewriter<'_> {
    type Error = std::convert::Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_type_section(self, types, section)?;
        for added in &self.added {
            let params = &added.params;
            let with = |nullable| {
                let mut types = params.clone();
                types.push(ValType::Ref(reference(added.ty, nullable)));
                types
            };
            types.ty().function(params.clone(), params.clone());
            types.ty().function(params.clone(), with(false));
            types.ty().function(with(true), added.results.clone());
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_function_section(self, functions, section)?;
        for added in &self.added {
            functions.function(added.apply_type);
        }
        Ok(())
    }

    fn parse_table_section(
        &mut self,
        tables: &mut TableSection,
        section: wasmparser::TableSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_table_section(self, tables, section)?;
        for added in self.added.iter().filter(|_| self.tables) {
            tables.table(TableType {
                element_type: reference(added.ty, true),
                table64: false,
                minimum: added.functions.len() as u64 + 1,
                maximum: None,
                shared: false,
            });
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_global_section(self, globals, section)?;
        for (function, &ty) in self.function_types.iter().enumerate() {
            let ty = GlobalType {
                val_type: ValType::Ref(reference(ty, false)),
                mutable: false,
                shared: false,
            };
            globals.global(ty, &ConstExpr::ref_func(function as u32));
        }
        Ok(())
    }

    fn parse_element_section(
        &mut self,
        elements: &mut ElementSection,
        section: wasmparser::ElementSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_element_section(self, elements, section)?;
        for added in self.added.iter().filter(|_| self.tables) {
            let functions = added
                .functions
                .iter()
                .map(|&function| ConstExpr::ref_func(function));
            let functions: Vec<_> = functions.collect();
            let items = Elements::Expressions(reference(added.ty, true), functions.into());
            elements.active(Some(added.table), &ConstExpr::i32_const(1), items);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_code_section(self, code, section)?;
        for added in &self.added {
            let mut apply = Function::new([]);
            let count = added.params.len() as u32 + 1;
            for param in 0..count {
                apply.instruction(&Instruction::LocalGet(param));
            }
            apply.instruction(&Instruction::ReturnCallRef(added.ty));
            apply.instruction(&Instruction::End);
            code.function(&apply);
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        function: wasmparser::FunctionBody<'_>,
    ) -> Result<(), Error> {
        let mut body = Body {
            locals: Vec::new(),
            count: self.of_function(self.next as u32).params.len() as u32,
            code: Vec::new(),
        };
        self.next += 1;
        for local in function.get_locals_reader()? {
            let (count, ty) = local?;
            body.locals.push((count, self.val_type(ty)?));
            body.count += count;
        }
        let mut written = Vec::new();
        for operator in function.get_operators_reader()? {
            let start = body.code.len();
            match operator? {
                Operator::Call { function_index } if self.rng.usize(..4) > 0 => {
                    self.call(function_index, &mut body);
                }
                Operator::ReturnCall { function_index } if self.rng.usize(..4) > 0 => {
                    self.return_call(function_index, &mut body);
                }
                other => {
                    written.push(self.instruction(other)?);
                    continue;
                }
            }
            written.extend(body.code.drain(start..));
        }
        let mut function = Function::new(body.locals);
        for instruction in &written {
            function.instruction(instruction);
        }
        code.function(&function);
        Ok(())
    }
}
