//! The looks of engines: the same in every picture, also without colours.
//!
//! Configurations of one engine share a hue.

use upshift_plot::look::{DOTS, LONG, MIXED, Palette, SHORT, SOLID, Shape, Style, style};

use crate::record::Results;

const KNOWN: &[(&str, Style)] = &[
    (
        "upshift",
        style(0x00_49_c9, 0x5a_a2_ff, Shape::Circle, false, SOLID),
    ),
    (
        "upshift-baseline",
        style(0x28_8f_e0, 0xa9_d3_ff, Shape::Up, false, LONG),
    ),
    (
        "upshift-optimizer",
        style(0x0a_2a_72, 0x3f_7d_f2, Shape::Square, false, MIXED),
    ),
    (
        "upshift-sync",
        style(0x3c_6a_d8, 0x8a_b4_ff, Shape::Circle, true, DOTS),
    ),
    (
        "wasmtime",
        style(0xb8_46_00, 0xff_96_4a, Shape::Diamond, false, SOLID),
    ),
    (
        "wasmtime-winch",
        style(0xc9_7a_00, 0xff_ca_73, Shape::Diamond, true, SHORT),
    ),
    (
        "wasmi",
        style(0xb0_24_84, 0xf2_7f_c6, Shape::Cross, false, LONG),
    ),
    (
        "wasmer-singlepass",
        style(0x74_2d_96, 0xc3_8d_ec, Shape::Plus, false, SHORT),
    ),
    (
        "node",
        style(0x1b_7a_33, 0x5c_cf_78, Shape::Hexagon, false, SOLID),
    ),
    (
        "node-liftoff",
        style(0x4f_94_1c, 0xa9_e2_70, Shape::Hexagon, true, SHORT),
    ),
    (
        "node-turbofan",
        style(0x0d_54_43, 0x2f_ab_8b, Shape::Up, true, MIXED),
    ),
    (
        "bun",
        style(0x7d_5c_38, 0xcf_b1_8c, Shape::Down, false, LONG),
    ),
    (
        "wazero",
        style(0x00_80_88, 0x3a_c8_ce, Shape::Square, true, DOTS),
    ),
    (
        "native",
        style(0x4a_4a_4a, 0xc6_c6_c6, Shape::Bar, false, SHORT),
    ),
];

/// Styles of Upshift's configurations that have no entry of their own.
const OTHER_UPSHIFT: &[Style] = &[
    style(0x1f_5f_c4, 0x7c_b0_ff, Shape::Down, false, SHORT),
    style(0x35_57_a0, 0x9c_bc_f0, Shape::Diamond, true, DOTS),
    style(0x0f_6c_b5, 0x6c_c0_ff, Shape::Hexagon, true, LONG),
    style(0x22_3f_9c, 0x62_8b_ff, Shape::Up, true, MIXED),
];

/// Styles of engines that have no entry of their own.
const OTHERS: &[Style] = &[
    style(0xa3_30_30, 0xff_8a_80, Shape::Square, false, DOTS),
    style(0x5f_6b_00, 0xcd_d6_4a, Shape::Down, true, SHORT),
    style(0x8a_3f_6d, 0xe3_a0_c8, Shape::Circle, true, LONG),
    style(0x3d_6e_5a, 0x9a_d2_b8, Shape::Diamond, false, MIXED),
    style(0x6a_55_80, 0xb8_a6_d6, Shape::Hexagon, true, DOTS),
    style(0x80_60_00, 0xe0_c0_50, Shape::Up, false, SHORT),
];

/// Looks for all engines of some results, those that only have rows included.
pub fn of(results: &Results) -> Palette {
    let listed = results.engines.iter().map(|e| (&e.id, &e.name));
    let running = results.rows.iter().map(|row| (&row.engine, &row.engine));
    let mut palette = Palette::default();
    for (id, name) in listed.chain(running) {
        if palette.looks().iter().all(|look| look.id != *id) {
            add(&mut palette, id, name);
        }
    }
    palette
}

fn add(palette: &mut Palette, id: &str, name: &str) {
    let emphasized = id == "upshift" || id.starts_with("upshift-");
    let others = if emphasized { OTHER_UPSHIFT } else { OTHERS };
    let known = |id: &str| KNOWN.iter().find(|(known, _)| *known == id);
    let style = known(id).map_or_else(
        || {
            let looks = palette.looks().iter();
            let unknown = |look: &&upshift_plot::look::Look| {
                known(&look.id).is_none() && look.emphasized == emphasized
            };
            others[looks.filter(unknown).count() % others.len()]
        },
        |(_, style)| *style,
    );
    palette.add(id, name, emphasized, style);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::page::sample;

    #[test]
    fn colours_are_visible_by_day_and_by_night() {
        let known = KNOWN.iter().map(|(_, style)| style);
        for style in known.chain(OTHER_UPSHIFT).chain(OTHERS) {
            assert!(style.is_visible(), "{style:?}");
        }
    }

    #[test]
    fn known_engines_differ_without_colours() {
        let known = KNOWN.iter().map(|(_, style)| (style.shape, style.hollow));
        assert_eq!(known.collect::<HashSet<_>>().len(), KNOWN.len());
    }

    #[test]
    fn unknown_engines_get_looks_too() {
        let mut results = sample::empty();
        for index in 0..20 {
            let mut engine = sample::engine("strange", "Strange");
            engine.id = format!("strange-{index}");
            results.engines.push(engine);
        }
        let palette = of(&results);
        assert_eq!(palette.looks().len(), 20);
        assert!(palette.css().contains(".e19{--c:#"));
    }
}
