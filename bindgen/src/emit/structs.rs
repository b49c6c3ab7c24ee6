//! The structs that have a layout, and the names of what has none.

use super::{Text, Types, shown};
use crate::layout::Struct;
use crate::plan::Plan;

pub(super) fn structs(text: &mut Text, plan: &Plan) {
    for (in_module, name) in &plan.opaque {
        text.line("");
        text.line(format!(
            "/// Something that the module calls `{}`; only addresses of it",
            shown(in_module)
        ));
        text.line("/// are known.");
        text.line("#[derive(Debug)]");
        text.line("#[allow(dead_code)]");
        text.line(format!("pub enum {name} {{}}"));
    }
    for found in plan.structs.iter() {
        text.line("");
        definition(text, plan, found);
    }
}

fn definition(text: &mut Text, plan: &Plan, found: &Struct) {
    let types = Types(plan);
    let name = &found.name;
    text.line("/// A struct of the module's.");
    text.line("#[derive(Clone, Copy, Debug, PartialEq)]");
    text.line("#[allow(dead_code, missing_docs)]");
    text.line(format!("pub struct {name} {{"));
    for field in &found.fields {
        text.line(format!("pub {}: {},", field.name, types.item(&field.item)));
    }
    text.line("}");
    text.line("");
    text.line(format!("impl ::upshift::guest::GuestValue for {name} {{"));
    text.line(format!("const SIZE: usize = {};", found.size));
    text.line(format!("const ALIGN: usize = {};", found.align));
    text.line("");
    let unused = if found.fields.is_empty() { "_" } else { "" };
    text.line(format!("fn read({unused}bytes: &[u8]) -> Self {{"));
    text.line("Self {");
    for field in &found.fields {
        let read = "::upshift::guest::GuestValue::read";
        text.line(format!(
            "{}: {read}(&bytes[{}..]),",
            field.name, field.offset
        ));
    }
    text.line("}");
    text.line("}");
    text.line("");
    text.line(format!("fn write(&self, {unused}bytes: &mut [u8]) {{"));
    for field in &found.fields {
        let write = "::upshift::guest::GuestValue::write";
        text.line(format!(
            "{write}(&self.{}, &mut bytes[{}..]);",
            field.name, field.offset
        ));
    }
    text.line("}");
    text.line("}");
}
