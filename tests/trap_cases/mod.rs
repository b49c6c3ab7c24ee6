//! The cases of the trap tests: statements that trap. A statement leaves nothing on the stack.

use upshift::Trap;

/// A statement that traps.
pub struct Case {
    pub name: String,
    pub body: String,
    pub trap: Trap,
}

impl Case {
    pub fn new(name: impl Into<String>, body: impl Into<String>, trap: Trap) -> Self {
        Self {
            name: name.into(),
            body: body.into(),
            trap,
        }
    }
}

/// Operands that no compiler can know: the globals are mutable. They refer to a type
/// `$nullary`.
pub const GLOBALS: &str = r#"
    (global $null (mut (ref null $nullary)) (ref.null $nullary))
    (global $zero_i32 (mut i32) (i32.const 0))
    (global $zero_i64 (mut i64) (i64.const 0))
    (global $min_i32 (mut i32) (i32.const 0x80000000))
    (global $min_i64 (mut i64) (i64.const 0x8000000000000000))
    (global $minus_one_i32 (mut i32) (i32.const -1))
    (global $minus_one_i64 (mut i64) (i64.const -1))
"#;

/// Loads and stores with the number of bytes they access; stores end in the type of their operand.
const ACCESSES: [(&str, u32); 23] = [
    ("i32.load", 4),
    ("i64.load", 8),
    ("f32.load", 4),
    ("f64.load", 8),
    ("i32.load8_s", 1),
    ("i32.load8_u", 1),
    ("i32.load16_s", 2),
    ("i32.load16_u", 2),
    ("i64.load8_s", 1),
    ("i64.load8_u", 1),
    ("i64.load16_s", 2),
    ("i64.load16_u", 2),
    ("i64.load32_s", 4),
    ("i64.load32_u", 4),
    ("i32.store", 4),
    ("i64.store", 8),
    ("f32.store", 4),
    ("f64.store", 8),
    ("i32.store8", 1),
    ("i32.store16", 2),
    ("i64.store8", 1),
    ("i64.store16", 2),
    ("i64.store32", 4),
];

/// Accesses to a memory of one page, by index and offset.
pub fn memory_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (op, size) in ACCESSES {
        let last_byte_outside = 65536 - size + 1;
        let max = u32::MAX;
        let places = [
            (format!("(i32.const {last_byte_outside})"), 0),
            ("(global.get $zero_i32)".to_string(), last_byte_outside),
            ("(global.get $minus_one_i32)".to_string(), 0),
            ("(global.get $zero_i32)".to_string(), max),
            ("(global.get $minus_one_i32)".to_string(), max),
            (format!("(i32.const {max})"), max),
        ];
        for (index, offset) in places {
            let ty = &op[..3];
            let body = if op.contains("load") {
                format!("(drop ({op} offset={offset} {index}))")
            } else {
                format!("({op} offset={offset} {index} ({ty}.const 1))")
            };
            cases.push(Case::new(body.clone(), body, Trap::MemoryOutOfBounds));
        }
    }
    for body in [
        "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 1))",
        "(memory.fill (global.get $minus_one_i32) (i32.const 1) (global.get $minus_one_i32))",
        "(memory.copy (i32.const 0) (i32.const 65533) (i32.const 4))",
        "(memory.copy (i32.const 65533) (i32.const 0) (i32.const 4))",
        "(memory.copy (i32.const 65537) (i32.const 0) (i32.const 0))",
        "(memory.init $bytes (i32.const 0) (i32.const 1) (i32.const 4))",
        "(memory.init $bytes (i32.const 65535) (i32.const 0) (i32.const 2))",
        "(data.drop $bytes) (memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 1))",
    ] {
        cases.push(Case::new(body, body, Trap::MemoryOutOfBounds));
    }
    cases
}

/// Integer divisions, and conversions of floats to integers.
pub fn arithmetic_cases() -> Vec<Case> {
    let mut cases = vec![Case::new("unreachable", "(unreachable)", Trap::Unreachable)];
    for ty in ["i32", "i64"] {
        for op in ["div_s", "div_u", "rem_s", "rem_u"] {
            let body = format!("(drop ({ty}.{op} ({ty}.const 1) (global.get $zero_{ty})))");
            cases.push(Case::new(body.clone(), body, Trap::IntegerDivideByZero));
        }
        let minus_one = [
            format!("(global.get $minus_one_{ty})"),
            format!("({ty}.const -1)"),
        ];
        for divisor in minus_one {
            let body = format!("(drop ({ty}.div_s (global.get $min_{ty}) {divisor}))");
            cases.push(Case::new(body.clone(), body, Trap::IntegerOverflow));
        }
        let body = format!("(drop ({ty}.div_s ({ty}.const 1) ({ty}.const 0)))");
        cases.push(Case::new(body.clone(), body, Trap::IntegerDivideByZero));
    }
    cases.extend(conversion_cases());
    cases
}

/// The nearest values outside the range of each conversion, and NaNs.
const OUT_OF_RANGE: [(&str, [&str; 2]); 8] = [
    ("i32.trunc_f32_s", ["2147483648", "-2147483904"]),
    ("i32.trunc_f32_u", ["4294967296", "-1"]),
    ("i32.trunc_f64_s", ["2147483648", "-2147483649"]),
    ("i32.trunc_f64_u", ["4294967296", "-1"]),
    (
        "i64.trunc_f32_s",
        ["9223372036854775808", "-9223373136366403584"],
    ),
    ("i64.trunc_f32_u", ["18446744073709551616", "-1"]),
    (
        "i64.trunc_f64_s",
        ["9223372036854775808", "-9223372036854777856"],
    ),
    ("i64.trunc_f64_u", ["18446744073709551616", "-1"]),
];

fn conversion_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (op, values) in OUT_OF_RANGE {
        let from = &op[10..13];
        let mut case = |value: &str, trap| {
            let body = format!("(drop ({op} ({from}.const {value})))");
            cases.push(Case::new(body.clone(), body, trap));
        };
        case("nan", Trap::InvalidConversionToInteger);
        case("-nan", Trap::InvalidConversionToInteger);
        for value in values.into_iter().chain(["inf", "-inf"]) {
            case(value, Trap::IntegerOverflow);
        }
    }
    cases
}

/// Calls through a table of four elements: one function without parameters, then nulls.
pub fn call_cases() -> Vec<Case> {
    let call = |ty: &str, index: &str| {
        let argument = if ty == "$other" { "(i64.const 1)" } else { "" };
        let call = format!("(call_indirect $table (type {ty}) {argument} {index})");
        if ty == "$other" {
            format!("(drop {call})")
        } else {
            call
        }
    };
    let mut cases = Vec::new();
    for ty in ["$nullary", "$other"] {
        for index in [
            "(i32.const 4)",
            "(i32.const 8)",
            "(global.get $minus_one_i32)",
        ] {
            cases.push((call(ty, index), Trap::UndefinedElement));
        }
        cases.push((call(ty, "(i32.const 1)"), Trap::UninitializedElement));
    }
    cases.push((
        call("$other", "(global.get $zero_i32)"),
        Trap::IndirectCallTypeMismatch,
    ));
    for (index, trap) in [(4, Trap::UndefinedElement), (3, Trap::UninitializedElement)] {
        let body = format!("(return_call_indirect $table (type $nullary) (i32.const {index}))");
        cases.push((body, trap));
    }
    for body in [
        "(call_ref $nullary (global.get $null))",
        "(return_call_ref $nullary (global.get $null))",
        "(drop (ref.as_non_null (global.get $null)))",
        "(call_ref $nullary (ref.null $nullary))",
    ] {
        cases.push((body.into(), Trap::NullReference));
    }
    let case = |(body, trap): (String, Trap)| Case::new(body.clone(), body, trap);
    cases.into_iter().map(case).collect()
}

/// Other accesses to the table of the calls.
pub fn table_cases() -> Vec<Case> {
    let bodies = [
        "(drop (table.get $table (i32.const 4)))",
        "(drop (table.get $table (global.get $minus_one_i32)))",
        "(table.set $table (i32.const 4) (ref.null func))",
        "(table.set $table (global.get $minus_one_i32) (ref.null func))",
        "(table.fill $table (i32.const 3) (ref.null func) (i32.const 2))",
        "(table.copy $table $table (i32.const 3) (i32.const 0) (i32.const 2))",
        "(table.copy $table $table (i32.const 0) (i32.const 5) (i32.const 0))",
        "(table.init $table $passive (i32.const 3) (i32.const 0) (i32.const 2))",
        "(table.init $table $passive (i32.const 0) (i32.const 1) (i32.const 2))",
        "(elem.drop $passive) \
         (table.init $table $passive (i32.const 0) (i32.const 0) (i32.const 1))",
    ];
    let case = |body: &&str| Case::new(*body, *body, Trap::TableOutOfBounds);
    bodies.iter().map(case).collect()
}
