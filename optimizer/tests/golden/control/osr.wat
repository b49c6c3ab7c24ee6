;;! clif 0 0
;;! optimized 0 0
;;! clif 0 1
;;! optimized 0 1
(module
  (func (param $n i32) (result i32)
    (local $i i32) (local $s i32)
    (i32.const 1000)
    (loop $outer
      (local.set $i (i32.const 0))
      (loop $inner
        (local.set $s (i32.add (local.get $s) (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $inner (i32.lt_u (local.get $i) (i32.const 10))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $outer (local.get $n)))
    (i32.add (local.get $s))))
;; clif 0 0
;;   function u0:0(i64 vmctx, i64) -> i32 tail {
;;       region0 = 6 "home slots"
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block2:
;;                                       v2 = iconst.i32 0
;;                                       v3 = iconst.i64 0
;;                                       v4 = iconst.i32 0
;;                                       v5 = iconst.i64 0
;;                                       v6 = iconst.i64 0
;;   @001b                               v8 = iconst.i32 1000
;;   @001e                               store notrap aligned region0 v8, v1-48  ; v8 = 1000
;;   @001e                               jump block4(v6, v3)  ; v6 = 0, v3 = 0
;;
;;                                   block1:
;;   @001e                               v9 = uload32.i64 notrap aligned readonly can_move region0 v1-24
;;   @001e                               v10 = uload32.i64 notrap aligned readonly can_move region0 v1-32
;;   @001e                               v11 = uload32.i64 notrap aligned readonly can_move region0 v1-40
;;   @001e                               jump block4(v11, v9)
;;
;;                                   block4(v27: i64, v29: i64):
;;                                       v28 -> v29
;;   @0020                               v12 = iconst.i32 0
;;   @0022                               v13 = iconst.i64 0
;;   @0024                               jump block6(v27, v13)  ; v13 = 0
;;
;;                                   block6(v14: i64, v16: i64):
;;   @0026                               v15 = ireduce.i32 v14
;;   @0028                               v17 = ireduce.i32 v16
;;   @002a                               v18 = iadd v15, v17
;;   @002b                               v19 = uextend.i64 v18
;;   @002d                               v20 = ireduce.i32 v16
;;   @002f                               v21 = iconst.i32 1
;;   @0031                               v22 = iadd v20, v21  ; v21 = 1
;;   @0032                               v23 = uextend.i64 v22
;;   @0036                               v24 = iconst.i32 10
;;   @0038                               v25 = icmp ult v22, v24  ; v24 = 10
;;   @0038                               v26 = uextend.i32 v25
;;   @0039                               brif v26, block6(v19, v23), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003c                               v30 = ireduce.i32 v29
;;   @003e                               v31 = iconst.i32 1
;;   @0040                               v32 = isub v30, v31  ; v31 = 1
;;   @0041                               v33 = uextend.i64 v32
;;   @0045                               brif v32, block4(v19, v33), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v34 = load.i32 notrap aligned region0 v1-48
;;   @0048                               v35 = ireduce.i32 v19
;;   @004a                               v36 = iadd v34, v35
;;   @004b                               jump block3(v36)
;;
;;                                   block3(v7: i32):
;;   @004b                               return v7
;;   }
;; optimized 0 0
;;   function u0:0(i64 vmctx, i64) -> i32 tail {
;;       region0 = 6 "home slots"
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block1:
;;   @001e                               v9 = uload32.i64 notrap aligned readonly can_move region0 v1-24
;;   @001e                               v10 = uload32.i64 notrap aligned readonly can_move region0 v1-32
;;   @001e                               v11 = uload32.i64 notrap aligned readonly can_move region0 v1-40
;;   @001e                               jump block4(v11, v9)
;;
;;                                   block4(v27: i64, v29: i64):
;;   @0020                               v12 = iconst.i32 0
;;   @0022                               v13 = iconst.i64 0
;;   @0024                               jump block6(v27, v13)  ; v13 = 0
;;
;;                                   block6(v14: i64, v16: i64):
;;   @0026                               v15 = ireduce.i32 v14
;;   @0028                               v17 = ireduce.i32 v16
;;   @002a                               v18 = iadd v15, v17
;;   @002b                               v19 = uextend.i64 v18
;;   @002d                               v20 = ireduce.i32 v16
;;   @002f                               v21 = iconst.i32 1
;;   @0031                               v22 = iadd v20, v21  ; v21 = 1
;;   @0032                               v23 = uextend.i64 v22
;;   @0036                               v24 = iconst.i32 10
;;   @0038                               v25 = icmp ult v22, v24  ; v24 = 10
;;   @0038                               v26 = uextend.i32 v25
;;   @0039                               brif v26, block6(v19, v23), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003c                               v30 = ireduce.i32 v29
;;   @003e                               v31 = iconst.i32 1
;;   @0040                               v32 = isub v30, v31  ; v31 = 1
;;   @0041                               v33 = uextend.i64 v32
;;   @0045                               brif v32, block4(v19, v33), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v34 = load.i32 notrap aligned region0 v1-48
;;   @0048                               v35 = ireduce.i32 v19
;;   @004a                               v36 = iadd v34, v35
;;   @004b                               jump block3
;;
;;                                   block3:
;;   @004b                               return v36
;;   }
;; clif 0 1
;;   function u0:0(i64 vmctx, i64) -> i32 tail {
;;       region0 = 6 "home slots"
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block2:
;;                                       v2 = iconst.i32 0
;;                                       v3 = iconst.i64 0
;;                                       v4 = iconst.i32 0
;;                                       v5 = iconst.i64 0
;;                                       v6 = iconst.i64 0
;;   @001b                               v8 = iconst.i32 1000
;;   @001e                               store notrap aligned region0 v8, v1-48  ; v8 = 1000
;;   @001e                               jump block4(v6, v3)  ; v6 = 0, v3 = 0
;;
;;                                   block4(v27: i64, v29: i64):
;;   @0020                               v9 = iconst.i32 0
;;   @0022                               v10 = iconst.i64 0
;;   @0024                               jump block6(v27, v10, v29)  ; v10 = 0
;;
;;                                   block1:
;;   @0024                               v11 = uload32.i64 notrap aligned readonly can_move region0 v1-24
;;   @0024                               v12 = uload32.i64 notrap aligned readonly can_move region0 v1-32
;;   @0024                               v13 = uload32.i64 notrap aligned readonly can_move region0 v1-40
;;   @0024                               jump block6(v13, v12, v11)
;;
;;                                   block6(v14: i64, v16: i64, v28: i64):
;;   @0026                               v15 = ireduce.i32 v14
;;   @0028                               v17 = ireduce.i32 v16
;;   @002a                               v18 = iadd v15, v17
;;   @002b                               v19 = uextend.i64 v18
;;   @002d                               v20 = ireduce.i32 v16
;;   @002f                               v21 = iconst.i32 1
;;   @0031                               v22 = iadd v20, v21  ; v21 = 1
;;   @0032                               v23 = uextend.i64 v22
;;   @0036                               v24 = iconst.i32 10
;;   @0038                               v25 = icmp ult v22, v24  ; v24 = 10
;;   @0038                               v26 = uextend.i32 v25
;;   @0039                               brif v26, block6(v19, v23, v28), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003c                               v30 = ireduce.i32 v28
;;   @003e                               v31 = iconst.i32 1
;;   @0040                               v32 = isub v30, v31  ; v31 = 1
;;   @0041                               v33 = uextend.i64 v32
;;   @0045                               brif v32, block4(v19, v33), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v34 = load.i32 notrap aligned region0 v1-48
;;   @0048                               v35 = ireduce.i32 v19
;;   @004a                               v36 = iadd v34, v35
;;   @004b                               jump block3(v36)
;;
;;                                   block3(v7: i32):
;;   @004b                               return v7
;;   }
;; optimized 0 1
;;   function u0:0(i64 vmctx, i64) -> i32 tail {
;;       region0 = 6 "home slots"
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block4:
;;   @0020                               v9 = iconst.i32 0
;;   @0022                               v10 = iconst.i64 0
;;   @0024                               jump block6(v19, v10, v33)  ; v10 = 0
;;
;;                                   block1:
;;   @0024                               v11 = uload32.i64 notrap aligned readonly can_move region0 v1-24
;;   @0024                               v12 = uload32.i64 notrap aligned readonly can_move region0 v1-32
;;   @0024                               v13 = uload32.i64 notrap aligned readonly can_move region0 v1-40
;;   @0024                               jump block6(v13, v12, v11)
;;
;;                                   block6(v14: i64, v16: i64, v28: i64):
;;   @0026                               v15 = ireduce.i32 v14
;;   @0028                               v17 = ireduce.i32 v16
;;   @002a                               v18 = iadd v15, v17
;;   @002b                               v19 = uextend.i64 v18
;;   @002d                               v20 = ireduce.i32 v16
;;   @002f                               v21 = iconst.i32 1
;;   @0031                               v22 = iadd v20, v21  ; v21 = 1
;;   @0032                               v23 = uextend.i64 v22
;;   @0036                               v24 = iconst.i32 10
;;   @0038                               v25 = icmp ult v22, v24  ; v24 = 10
;;   @0038                               v26 = uextend.i32 v25
;;   @0039                               brif v26, block6(v19, v23, v28), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003c                               v30 = ireduce.i32 v28
;;   @003e                               v31 = iconst.i32 1
;;   @0040                               v32 = isub v30, v31  ; v31 = 1
;;   @0041                               v33 = uextend.i64 v32
;;   @0045                               brif v32, block4, block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v34 = load.i32 notrap aligned region0 v1-48
;;   @0048                               v35 = ireduce.i32 v19
;;   @004a                               v36 = iadd v34, v35
;;   @004b                               jump block3
;;
;;                                   block3:
;;   @004b                               return v36
;;   }
