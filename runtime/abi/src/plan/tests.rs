//! Tests of plans as tables from types and options to decisions, also for types that validation
//! refuses.

use super::*;
use crate::facts::decode;
use crate::types::{Limits, RefType};
use crate::vmctx::VmContext;

const GUARD: MemoryOptions = MemoryOptions {
    bounds: MemoryBounds::GuardPages,
    reservation: 1 << 32,
};
const EXPLICIT: MemoryOptions = MemoryOptions {
    bounds: MemoryBounds::Explicit,
    reservation: 1 << 32,
};

fn limits(min: u64, max: Option<u64>) -> Limits {
    Limits { min, max }
}

fn plain(min: u64, max: Option<u64>) -> MemoryType {
    MemoryType::new(limits(min, max))
}

fn wide(min: u64, max: Option<u64>) -> MemoryType {
    MemoryType {
        index: IndexKind::I64,
        ..plain(min, max)
    }
}

fn shared(min: u64, max: u64) -> MemoryType {
    MemoryType {
        sharing: Sharing::Shared,
        ..plain(min, Some(max))
    }
}

/// Pages of 2^shift bytes.
fn paged(page_shift: u8, min: u64, max: Option<u64>) -> MemoryType {
    MemoryType {
        page_shift,
        ..plain(min, max)
    }
}

/// What is decided about a memory, but for its limits.
#[test]
fn bounds_follow_from_what_imports_must_match() {
    use Access::{Checked, CheckedIndex, CheckedWide, Guarded};
    const MAX: u64 = u32::MAX as u64;
    const AFTER: u64 = MEMORY_GUARD as u64;
    const SMALL_AFTER: u64 = SMALL_MEMORY_GUARD as u64;
    let wide_bytes = MemoryType {
        page_shift: 0,
        ..wide(1, None)
    };
    let table = [
        (plain(1, None), GUARD, 0, 4, Guarded),
        (plain(1, None), GUARD, MAX, 16, Guarded),
        (plain(0, Some(0)), GUARD, 8, 8, Guarded),
        (plain(1, None), EXPLICIT, 0, 4, Checked { end: 4 }),
        (plain(1, None), EXPLICIT, MAX, 8, Checked { end: MAX + 8 }),
        // Beyond what guards cover: no 32-bit memory's offset, but decided all the same.
        (plain(1, None), GUARD, MAX + 1, 4, Checked { end: MAX + 5 }),
        (wide(1, None), GUARD, 0, 4, CheckedIndex),
        (wide(1, None), GUARD, AFTER - 16, 16, CheckedIndex),
        (
            wide(1, None),
            GUARD,
            AFTER - 15,
            16,
            CheckedWide { end: AFTER + 1 },
        ),
        (wide(1, None), EXPLICIT, SMALL_AFTER - 8, 8, CheckedIndex),
        (
            wide(1, None),
            EXPLICIT,
            SMALL_AFTER,
            1,
            CheckedWide {
                end: SMALL_AFTER + 1,
            },
        ),
        (wide_bytes, GUARD, 0, 1, CheckedWide { end: 1 }),
        (
            wide(1, None),
            EXPLICIT,
            MAX,
            8,
            CheckedWide { end: MAX + 8 },
        ),
        (
            wide(1, None),
            GUARD,
            u64::MAX,
            1,
            CheckedWide { end: u64::MAX },
        ),
        (
            wide(1, None),
            GUARD,
            u64::MAX - 3,
            8,
            CheckedWide { end: u64::MAX },
        ),
        (shared(1, 2), GUARD, 0, 4, Guarded),
        (shared(1, 2), EXPLICIT, 0, 4, Checked { end: 4 }),
        (paged(0, 100, None), GUARD, 0, 1, Checked { end: 1 }),
        (paged(12, 100, None), GUARD, 0, 1, Guarded),
    ];
    for (ty, options, offset, bytes, expected) in table {
        let style = MemoryStyle::new(ty, &options);
        assert_eq!(style.access(offset, bytes), expected, "{ty:?} {options:?}");
        // The same for a module that imports the memory with looser limits.
        let imported = MemoryType {
            limits: limits(0, None),
            ..ty
        };
        let imported = MemoryStyle::new(imported, &options);
        assert_eq!(imported.bounds(), style.bounds(), "{ty:?}");
        assert_eq!(imported.guard_before(), style.guard_before(), "{ty:?}");
    }
}

#[test]
fn no_guarded_access_leaves_its_space() {
    let style = MemoryStyle::new(plain(1, None), &GUARD);
    let (mut largest, widest) = (0, 64);
    for offset in [0, 1, 1 << 31, u32::MAX.into(), 1 << 32, 1 << 40, u64::MAX] {
        if style.access(offset, widest) == Access::Guarded {
            largest = largest.max(u64::from(u32::MAX) + offset + u64::from(widest));
        }
    }
    assert!(largest > 1 << 32, "some offsets are guarded");
    assert!(largest <= *style.space().start());
}

/// Sizes in bytes: at first, declared maximum, pages that it can have at most, fixed.
#[test]
fn sizes() {
    const K64: u64 = 1 << 16;
    const MOST: u64 = (1 << 16) - 1;
    let table = [
        (plain(1, None), K64, None, MOST, None),
        (plain(1, Some(3)), K64, Some(3 * K64), 3, None),
        (plain(3, Some(3)), 3 * K64, Some(3 * K64), 3, Some(3 * K64)),
        (plain(1 << 16, None), 1 << 32, None, MOST, None),
        (wide(1 << 20, None), 1 << 36, None, 1 << 31, None),
        (wide(1, Some(1 << 48)), K64, Some(u64::MAX), 1 << 31, None),
        (paged(0, 100, Some(100)), 100, Some(100), 100, Some(100)),
        (paged(0, 0, None), 0, None, (1 << 32) - K64, None),
    ];
    for (ty, min, max, pages, fixed) in table {
        let style = MemoryStyle::new(ty, &GUARD);
        assert_eq!(style.min_bytes(), min, "{ty:?}");
        assert_eq!(style.max_bytes(), max, "{ty:?}");
        assert_eq!(style.max_pages(), pages, "{ty:?}");
        assert_eq!(style.fixed_bytes(), fixed, "{ty:?}");
        assert_eq!(style.pages(style.bytes(7)), 7, "{ty:?}");
    }
}

/// Address space: least and most.
#[test]
fn space() {
    const K64: u64 = 1 << 16;
    const AFTER: u64 = MEMORY_GUARD as u64;
    const GUARDED: (u64, u64) = (GUARDED_SPACE, GUARDED_SPACE);
    let short = MemoryOptions {
        reservation: 1 << 20,
        ..EXPLICIT
    };
    let table = [
        (plain(1, None), GUARD, GUARDED),
        (plain(1 << 16, Some(1 << 16)), GUARD, GUARDED),
        (shared(1, 1), GUARD, GUARDED),
        (plain(0, Some(0)), EXPLICIT, (K64, K64)),
        (plain(1, None), EXPLICIT, (K64, (1 << 32) - K64)),
        (plain(1, Some(5)), EXPLICIT, (K64, 5 * K64)),
        (plain(1, None), short, (K64, 1 << 20)),
        (plain(40, None), short, (40 * K64, 40 * K64)),
        (wide(1, None), GUARD, (K64 + AFTER, (1 << 36) + AFTER)),
        (wide(1, None), EXPLICIT, (2 * K64, (1 << 32) + K64)),
        (
            wide(1 << 21, None),
            GUARD,
            ((1 << 37) + AFTER, (1 << 37) + AFTER),
        ),
        (
            wide(1 << 47, None),
            GUARD,
            ((1 << 47) + AFTER, (1 << 47) + AFTER),
        ),
        (paged(0, 70_000, Some(70_001)), GUARD, (73_728, 73_728)),
    ];
    for (ty, options, (least, most)) in table {
        let space = MemoryStyle::new(ty, &options).space();
        assert_eq!(space, least..=most, "{ty:?} {options:?}");
    }
}

/// Accesses at constant indexes that no check can fail for.
#[test]
fn constants_inside_the_minimum_need_no_check() {
    let style = MemoryStyle::new(wide(1, None), &GUARD);
    assert!(style.always_holds(0, 0, 8) && style.always_holds(0xfff0, 8, 8));
    for (index, offset) in [
        (0xfff1, 8),
        (u64::MAX, 8),
        (8, u64::MAX),
        (u64::MAX, u64::MAX),
    ] {
        assert!(!style.always_holds(index, offset, 8), "{index} + {offset}");
    }
    let vast = MemoryStyle::new(wide(1 << 48, None), &GUARD);
    assert!(
        !vast.always_holds(1 << 47, 0, 1),
        "beyond what there can be"
    );
}

#[test]
fn contents_are_mapped_only_into_whole_private_pages() {
    let can_map = |ty| MemoryStyle::new(ty, &GUARD).can_map_contents();
    assert!(can_map(plain(1, None)) && can_map(wide(1, None)) && can_map(paged(12, 1, None)));
    assert!(!can_map(paged(0, 1, None)) && !can_map(shared(1, 1)));
}

/// The facts of a module, with one more change than validation would allow.
fn facts(text: &str, change: impl FnOnce(&mut ModuleFacts)) -> ModuleFacts {
    let wasm = wat::parse_str(text).expect("text that can be assembled");
    let mut facts = decode(&wasm).expect("a valid module").facts;
    change(&mut facts);
    facts.layout = VmLayout::new(&facts);
    facts.plan = ModulePlan::new(&facts, GUARD);
    facts
}

#[test]
fn a_defined_memory_lies_at_a_constant_distance() {
    let mut facts = facts("(module (memory 1))", |_| {});
    let header = VmContext::MEMORY0;
    let place = |facts: &ModuleFacts| facts.plan.memory(MemoryIndex(0)).place;
    let at = |distance| MemoryPlace::BehindContext { distance, header };
    assert_eq!(place(&facts), at(MEMORY_DISTANCE));
    facts.plan_for(EXPLICIT);
    let distance = facts.layout.context_bytes() + SMALL_MEMORY_GUARD;
    assert_eq!(place(&facts), at(distance));
    assert_eq!(place(&facts).header(), Place::Inline(header));
    let (style, found, at) = facts.plan.behind_context().expect("the memory");
    assert_eq!(style.bounds(), MemoryBounds::Explicit);
    assert_eq!((found, at), (distance, header));
}

#[test]
fn a_large_context_pushes_its_memory_away() {
    let style = MemoryStyle::new(plain(1, None), &GUARD);
    assert_eq!(style.distance(MEMORY_GUARD), MEMORY_DISTANCE);
    assert_eq!(style.distance(MEMORY_GUARD + 4096), 2 * MEMORY_GUARD + 4096);
}

#[test]
fn further_memories_lie_apart() {
    let one = facts(r#"(module (import "" "" (memory 1)))"#, |_| {});
    let place = one.plan.memory(MemoryIndex(0)).place;
    assert!(matches!(place, MemoryPlace::Imported { .. }), "{place:?}");
    assert_eq!(one.plan.behind_context(), None);

    let several = facts(
        r#"(module (import "" "" (memory 1)) (global i32 (i32.const 1)))"#,
        |facts| {
            facts
                .memories
                .extend([plain(2, None), wide(3, None), plain(4, None)])
        },
    );
    let places = several.plan.memories().iter().map(|plan| plan.place);
    let [imported, first, second, third] = *places.collect::<Vec<_>>() else {
        panic!("four memories")
    };
    assert_eq!(imported, place);
    assert!(matches!(first, MemoryPlace::BehindContext { .. }));
    let (MemoryPlace::Apart { header: second }, MemoryPlace::Apart { header: third }) =
        (second, third)
    else {
        panic!("{second:?} {third:?}")
    };
    assert_eq!(third.0 - second.0, 16);
    let Place::Inline(global) = several.layout.global(crate::GlobalIndex(0)) else {
        panic!("a defined global")
    };
    assert!(global.0 >= third.0 + 16, "{global:?} behind {third:?}");
    let (style, ..) = several
        .plan
        .behind_context()
        .expect("the first defined one");
    assert_eq!(style.ty(), plain(2, None));
}

#[test]
fn a_shared_memory_is_behind_a_pointer_also_where_it_is_defined() {
    let facts = facts("(module)", |facts| {
        facts.memories.extend([shared(1, 2), plain(1, None)])
    });
    let places: Vec<_> = facts
        .plan
        .memories()
        .iter()
        .map(|plan| plan.place)
        .collect();
    let pointer = VmContext::MEMORY0;
    assert_eq!(places[0], MemoryPlace::Shared { pointer });
    assert_eq!(places[0].header(), Place::Pointer(pointer));
    assert!(matches!(places[1], MemoryPlace::Apart { .. }));
    assert_eq!(facts.plan.behind_context(), None);
}

#[test]
fn tables() {
    let text = r#"(module
        (import "" "" (table 1 2 externref))
        (table 3 funcref) (table 2000 2000 funcref)
        (func $f) (elem (table 2) (i32.const 7) func $f))"#;
    let facts = facts(text, |_| {});
    let plans = facts.plan.tables();
    assert_eq!(plans[0].ty.element, RefType::EXTERNREF);
    assert!(matches!(plans[0].place, Place::Pointer(_)));
    assert!(matches!(plans[1].place, Place::Inline(_)));
    let lens: Vec<_> = plans.iter().map(|plan| plan.fixed_len()).collect();
    assert_eq!(lens, [None, None, Some(2000)]);
    let most: Vec<_> = plans.iter().map(|plan| plan.ty.max_len()).collect();
    assert_eq!(most, [2, MAX_TABLE_ELEMENTS, 2000]);
    let filling: Vec<_> = plans.iter().map(|plan| plan.filling).collect();
    use TableFilling::{AtInstantiation, OnDemand};
    assert_eq!(filling, [AtInstantiation, AtInstantiation, OnDemand]);
    assert!(plans.iter().all(|plan| plan.index() == IndexKind::I32));
}
