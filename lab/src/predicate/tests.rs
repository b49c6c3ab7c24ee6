//! Tests of predicates: values by hand, errors by column, and totality on random texts.

use fastrand::Rng;

use super::*;

/// Two programs, `alpha` 0.1 and 1, three processes each. The wall times of `a` are 0.9 of the
/// others at 0.1, those of `b` 1.6.
fn table() -> Table {
    let mut rows = Vec::new();
    for (program, alpha, times) in [
        ("a", "1", [10.0, 10.1, 9.9]),
        ("a", "0.1", [9.0, 9.1, 8.9]),
        ("b", "1.0", [1.0, 1.01, 0.99]),
        ("b", "0.1", [1.6, 1.61, 1.59]),
    ] {
        rows.extend(times.map(|time| Row {
            program: program.into(),
            settings: [("alpha".to_owned(), alpha.to_owned())].into(),
            metrics: [("wall".to_owned(), time), ("zero".to_owned(), 0.0)].into(),
            class: None,
        }));
    }
    Table { rows }
}

fn holds(text: &str) -> bool {
    let predicate = Predicate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    predicate
        .holds(&table())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn values_by_hand() {
    for text in [
        "1 + 2 * 3 <= 7 and 1 + 2 * 3 >= 7",
        "(1 + 2) * 3 > 8.9 and not (1 > 2 or 2 > 3)",
        "-1 - -2 < 1.5e0 and 7 / 2 / 2 < 1.76",
        "not not 1 < 2",
        "((1 < 2)) and ((1)) < (2)",
        "median(wall, 'alpha=1') > 5.4 and median(wall, 'alpha=1') < 5.5",
        "max(wall, '') >= 10.1 and min(wall, '') <= 0.99",
        "quantile(wall, 'alpha=0.1', 1) >= 9.1 and quantile(wall, 'alpha=0.1', 0) <= 1.59",
        "ratio(wall, 'alpha=0.1', 'alpha=1') > 1.19 and ratio(wall, 'alpha=.1', 'alpha=1') < 1.21",
        "share(ratio(wall, 'alpha=0.1', 'alpha=1') < 1) >= 1/2",
        "max(ratio(wall, 'alpha=0.1', 'alpha=1')) > 1.59",
        "min(median(wall, 'alpha=1')) <= 1 and geomean(median(wall, 'alpha=1')) > 3.16",
        "quantile(median(wall, 'alpha=1'), 0.5) > 5.49",
        "ci_low(ratio(wall, 'alpha=0.1', 'alpha=1')) > 1.15",
        "ci_high(ratio(wall, 'alpha=0.1', 'alpha=1')) < 1.25",
        "share(ci_high(ratio(wall, 'alpha=0.1', 'alpha=1')) < 1) <= 0.5",
        "ci_low(share(ratio(wall, 'alpha=0.1', 'alpha=1') < 1)) >= 0.5",
        "ci_low(min(median(wall, 'alpha=1'))) < 0.995",
        "ci_high(min(median(wall, 'alpha=1'))) > 1.005",
        "median(zero, ' alpha = 1 ') <= 0",
    ] {
        assert!(holds(text), "{text}");
        assert!(!holds(&format!("not ({text})")), "{text}");
    }
}

#[test]
fn what_has_no_value_says_why() {
    for (text, message) in [
        ("median(cpu, '') > 1", "no row with cpu matches ''"),
        (
            "median(wall, 'alpha=2') > 1 or 1 > 0",
            "no row with wall matches 'alpha=2'",
        ),
        ("1 / 0 > 1", "a value is not finite"),
        (
            "ratio(zero, 'alpha=1', 'alpha=1') > 1",
            "a value is not finite",
        ),
        (
            "share(median(wall, 'alpha=1.0,b=1') > 1) > 0",
            "no row with wall matches 'alpha=1.0,b=1' for a",
        ),
    ] {
        let error = Predicate::parse(text).unwrap().holds(&table()).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
    let empty = Predicate::parse("share(1 < 2) > 0")
        .unwrap()
        .holds(&Table::default());
    assert_eq!(empty, Err(EvalError::NoPrograms));
}

#[test]
fn errors_have_columns() {
    for (text, message) in [
        ("", "column 1: expected a number"),
        ("1", "column 2: expected `<`, `<=`, `>` or `>=`"),
        ("1 < 2 < 3", "column 7: expected `and`, `or` or the end"),
        ("1 < 2 and", "column 10: expected a number"),
        (
            "mean(wall, '') < 1",
            "column 1: `mean` is no function; there are median, min, max, \
          geomean, quantile, ratio, share, ci_low and ci_high",
        ),
        ("median(wall) < 1", "column 12: expected `,`"),
        (
            "median(wall, 'a') < 1",
            "column 15: `a` is not of the form `key=value`",
        ),
        ("median(wall, 'a=1", "column 18: expected `'`"),
        (
            "(1 < 2 or (2 < )) and 1 < 2",
            "column 16: expected a number",
        ),
        ("1.2.3 < 4", "column 1: `1.2.3` is no number"),
        ("1e999 < 4", "column 1: `1e999` is no number"),
        (
            "quantile(wall, '', 2) < 1",
            "column 21: a share is between 0 and 1",
        ),
        (
            "ci_low(ci_low(1)) < 1",
            "column 8: an interval of an interval has no meaning",
        ),
        (
            "max(max(max(wall, ''))) < 1",
            "column 5: inside of an aggregate over programs there is only one program",
        ),
    ] {
        assert_eq!(
            Predicate::parse(text).unwrap_err().to_string(),
            message,
            "{text}"
        );
    }
    let deep = format!("{}1 < 2", "not ".repeat(100));
    assert!(
        Predicate::parse(&deep)
            .unwrap_err()
            .message
            .contains("64 deep")
    );
    let parentheses = format!("{}1 < 2{}", "(".repeat(1000), ")".repeat(1000));
    assert!(
        Predicate::parse(&parentheses)
            .unwrap_err()
            .message
            .contains("64 deep")
    );
    let long = format!("1 < 2{}", " and 1 < 2".repeat(1000));
    assert_eq!(Predicate::parse(&long).unwrap_err().column, MAX_LENGTH + 1);
}

#[test]
fn claims_hold_or_are_refuted_or_neither() {
    let judge = |holds, refuted| {
        let parse = |text| Predicate::parse(text).unwrap();
        super::judge(&parse(holds), &parse(refuted), &table())
    };
    assert_eq!(judge("1 < 2", "2 < 1"), Verdict::Holds);
    assert_eq!(judge("2 < 1", "1 < 2"), Verdict::Refuted);
    for (holds, refuted, reason) in [
        ("2 < 1", "2 < 1", "neither predicate is true"),
        ("1 < 2", "1 < 2", "both predicates are true"),
        ("1 < 2", "1/0 < 2", "a value is not finite"),
    ] {
        assert_eq!(judge(holds, refuted), Verdict::Undecided(reason.into()));
    }
}

const PIECES: &[&str] = &[
    "1",
    "0",
    "2.5",
    "1e3",
    "(",
    ")",
    "((",
    "))",
    "<",
    "<=",
    ">",
    "+",
    "-",
    "*",
    "/",
    "and",
    "or",
    "not",
    "median(",
    "max(",
    "quantile(",
    "ratio(",
    "share(",
    "ci_low(",
    "geomean(",
    "wall",
    "zero",
    ",",
    "'alpha=1'",
    "''",
    "'",
    "=",
    "alpha",
    "é",
    "\u{0}",
    ".",
    "e",
    "_",
    "1 < 2",
    "wall, ''",
    "ratio(wall, 'alpha=1', 'alpha=0.1')",
];

/// Whatever the text, parsing gives a predicate or an error within the text, and evaluating ends.
#[test]
fn no_text_panics() {
    let table = table();
    let mut random = Rng::with_seed(11);
    let mut parsed = 0;
    for _ in 0..100_000 {
        let pieces = random.usize(1..12);
        let pieces = (0..pieces).map(|_| PIECES[random.usize(..PIECES.len())]);
        let text = pieces
            .collect::<Vec<_>>()
            .join(if random.bool() { " " } else { "" });
        match Predicate::parse(&text) {
            Ok(predicate) => {
                parsed += 1;
                _ = predicate.holds(&table);
            }
            Err(error) => {
                assert!(
                    (1..=text.chars().count() + 1).contains(&error.column),
                    "{text}: {error}"
                );
            }
        }
    }
    assert!(parsed > 100, "only {parsed} texts are predicates");
}

/// Expressions of the grammar, with what they must give, computed beside them.
#[test]
fn generated_expressions_have_the_value_of_their_parts() {
    fn number(random: &mut Rng, depth: u32) -> (String, f64) {
        if depth == 0 || random.u8(..4) == 0 {
            let value = f64::from(random.u8(..10)) / 4.0;
            return (value.to_string(), value);
        }
        let (left, a) = number(random, depth - 1);
        let (right, b) = number(random, depth - 1);
        match random.u8(..4) {
            0 => (format!("({left}+ {right})"), a + b),
            1 => (format!("({left} - {right})"), a - b),
            2 => (format!("({left}*{right})"), a * b),
            _ => (format!("-({left})"), -a),
        }
    }
    fn condition(random: &mut Rng, depth: u32) -> (String, bool) {
        if depth == 0 {
            let ((left, a), (right, b)) = (number(random, 3), number(random, 3));
            return (format!("{left} < {right}"), a < b);
        }
        let (left, a) = condition(random, depth - 1);
        let (right, b) = condition(random, depth - 1);
        match random.u8(..3) {
            0 => (format!("({left} and {right})"), a && b),
            1 => (format!("({left} or {right})"), a || b),
            _ => (format!("not ({left})"), !a),
        }
    }
    let mut random = Rng::with_seed(2);
    for _ in 0..1000 {
        let (text, expected) = condition(&mut random, 3);
        assert_eq!(holds(&text), expected, "{text}");
    }
}

#[test]
fn pairs_have_the_class_that_all_their_processes_have() {
    use Class::{Flat, NoSteadyState, Slowdown, Warmup};
    let mut rows = Vec::new();
    for (program, alpha, classes) in [
        ("a", "1", [Flat, Flat]),
        ("a", "2", [Flat, Warmup]),
        ("b", "1", [Warmup, Warmup]),
        ("b", "2", [NoSteadyState, NoSteadyState]),
        ("c", "1", [Slowdown, Slowdown]),
    ] {
        rows.extend(classes.map(|class| Row {
            program: program.into(),
            settings: [("alpha".to_owned(), alpha.to_owned())].into(),
            class: Some(class),
            ..Row::default()
        }));
    }
    let table = Table { rows };
    let value = |text: &str| Quantity::parse(text).unwrap().of(&table).unwrap();
    for (text, expected) in [
        ("share(class, '', 'flat or warmup')", 0.4),
        ("share(class, '', 'inconsistent')", 0.2),
        (
            "share( class , 'alpha=1', 'slowdown or no steady state' )",
            1.0 / 3.0,
        ),
        ("share(share(class, '', 'inconsistent') > 0)", 1.0 / 3.0),
        ("1 - share(class, 'alpha=2', 'flat')", 1.0),
    ] {
        assert!((value(text).value - expected).abs() < 1e-12, "{text}");
    }
    // Over pairs, of which two of five are steady.
    let steady = value("share(class, '', 'flat or warmup')");
    assert!(steady.low < 0.1 && steady.high > 0.7, "{steady:?}");
    let fixed = value("1 - share(class, '', 'flat')");
    assert_eq!((fixed.low, fixed.high), (fixed.value, fixed.value));
    let none = Predicate::parse("share(class, 'alpha=3', 'flat') > 0").unwrap();
    let error = none.holds(&table).unwrap_err().to_string();
    assert_eq!(error, "no row with class matches 'alpha=3'");
    for (text, message) in [
        (
            "share(class, '', 'flet') > 0",
            "column 19: `flet` is no class",
        ),
        ("share(class, '') > 0", "column 16: expected `,`"),
        ("median(class, '') > 0", "column 8: `class` is no number"),
        (
            "ci_low(1 - share(class, '', 'flat')) > 0",
            "column 1: a share of classes has an interval by itself only",
        ),
    ] {
        let error = Predicate::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
