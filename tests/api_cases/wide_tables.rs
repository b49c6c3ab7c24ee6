//! Tables with 64-bit indexes, in every mode.

use upshift::Trap;

use crate::{in_every_mode, instance};

/// Tables of both kinds, with all operators on them.
const TEXT: &str = r#"(module
        (type $f (func (result i32)))
        (table $wide (export "wide") i64 4 20 funcref)
        (table $plain 4 funcref)
        (elem (table $wide) (i64.const 1) func $one $two)
        (elem $both func $one $two)
        (func $one (result i32) (i32.const 1))
        (func $two (result i32) (i32.const 2))
        (func (export "call") (param i64) (result i32)
            (call_indirect $wide (type $f) (local.get 0)))
        (func (export "tail") (param i64) (result i32)
            (return_call_indirect $wide (type $f) (local.get 0)))
        (func (export "null") (param i64) (result i32)
            (ref.is_null (table.get $wide (local.get 0))))
        (func (export "set") (param i64) (table.set $wide (local.get 0) (ref.func $two)))
        (func (export "grow") (param i64) (result i64)
            (table.grow $wide (ref.func $one) (local.get 0)))
        (func (export "size") (result i64) (table.size $wide))
        (func (export "fill") (param i64 i64)
            (table.fill $wide (local.get 0) (ref.func $two) (local.get 1)))
        (func (export "init") (param i64 i32 i32)
            (table.init $wide $both (local.get 0) (local.get 1) (local.get 2)))
        (func (export "to plain") (param i32 i64 i32)
            (table.copy $plain $wide (local.get 0) (local.get 1) (local.get 2)))
        (func (export "from plain") (param i64 i32 i32)
            (table.copy $wide $plain (local.get 0) (local.get 1) (local.get 2))))"#;

#[test]
fn tables_with_64_bit_indexes() {
    in_every_mode(|engine| {
        let (mut store, instance) = instance(engine, TEXT);
        let far = [
            4,
            1 << 32,
            (1 << 32) + 1,
            1 << 61,
            (1 << 61) + 1,
            i64::MIN,
            -1,
        ];
        for name in ["call", "tail"] {
            let call = instance
                .get_typed_func::<i64, i32>(&mut store, name)
                .unwrap();
            assert_eq!(call.call(&mut store, 2).unwrap(), 2);
            for index in far {
                let error = call.call(&mut store, index).expect_err("beyond the end");
                assert_eq!(
                    error.downcast_ref(),
                    Some(&Trap::UndefinedElement),
                    "{index:#x}"
                );
            }
        }
        let null = instance
            .get_typed_func::<i64, i32>(&mut store, "null")
            .unwrap();
        let set = instance
            .get_typed_func::<i64, ()>(&mut store, "set")
            .unwrap();
        assert_eq!(null.call(&mut store, 1).unwrap(), 0);
        assert_eq!(null.call(&mut store, 3).unwrap(), 1);
        for index in far {
            let got = null.call(&mut store, index).expect_err("beyond the end");
            assert_eq!(got.downcast_ref(), Some(&Trap::TableOutOfBounds));
            let was_set = set.call(&mut store, index).expect_err("beyond the end");
            assert_eq!(was_set.downcast_ref(), Some(&Trap::TableOutOfBounds));
        }
        let grow = instance
            .get_typed_func::<i64, i64>(&mut store, "grow")
            .unwrap();
        let size = instance
            .get_typed_func::<(), i64>(&mut store, "size")
            .unwrap();
        assert_eq!(grow.call(&mut store, 2).unwrap(), 4);
        for delta in [15, 1 << 32, 1 << 61, i64::MAX, -1] {
            assert_eq!(grow.call(&mut store, delta).unwrap(), -1, "{delta:#x}");
        }
        assert_eq!(size.call(&mut store, ()).unwrap(), 6);
        let fill = instance
            .get_typed_func::<(i64, i64), ()>(&mut store, "fill")
            .unwrap();
        fill.call(&mut store, (3, 3)).unwrap();
        for range in [(4, 3), (-1, 1), (1, -1), (1 << 32, 1), (0, 1 << 32)] {
            fill.call(&mut store, range).expect_err("beyond the end");
        }
        type Ranges = (i64, i32, i32);
        let init = instance
            .get_typed_func::<Ranges, ()>(&mut store, "init")
            .unwrap();
        init.call(&mut store, (4, 0, 2)).unwrap();
        init.call(&mut store, (1 << 32, 0, 1))
            .expect_err("beyond the end");
        let there = instance.get_typed_func::<(i32, i64, i32), ()>(&mut store, "to plain");
        let there = there.unwrap();
        there.call(&mut store, (0, 2, 4)).unwrap();
        there
            .call(&mut store, (0, 1 << 32, 1))
            .expect_err("beyond the end");
        there
            .call(&mut store, (0, -1, 2))
            .expect_err("beyond the end");
        let back = instance
            .get_typed_func::<Ranges, ()>(&mut store, "from plain")
            .unwrap();
        back.call(&mut store, (0, 2, 2)).unwrap();
        back.call(&mut store, (0, 0, -1))
            .expect_err("beyond the end");
        let table = instance.get_table(&mut store, "wide").unwrap();
        assert!(table.ty(&store).is_64() && table.size(&store) == 6);
        let call = instance
            .get_typed_func::<i64, i32>(&mut store, "call")
            .unwrap();
        let found: Vec<i32> = (0..6).map(|i| call.call(&mut store, i).unwrap()).collect();
        assert_eq!(found, [1, 2, 2, 2, 1, 2]);
    });
}
