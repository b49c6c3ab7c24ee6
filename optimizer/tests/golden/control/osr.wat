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
;;       region0 = 0 "context"
;;       region1 = 6 "home slots"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block2:
;;                                       v2 = iconst.i32 0
;;                                       v3 = iconst.i32 0
;;   @001b                               v5 = iconst.i32 1000
;;   @001e                               store notrap aligned region1 v5, v1-48  ; v5 = 1000
;;   @001e                               jump block4(v3, v2)  ; v3 = 0, v2 = 0
;;
;;                                   block1:
;;   @001e                               v6 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @001e                               v7 = load.i32 notrap aligned readonly can_move region1 v1-32
;;   @001e                               v8 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @001e                               jump block4(v8, v6)
;;
;;                                   block4(v18: i32, v20: i32):
;;                                       v19 -> v20
;;   @0020                               v9 = iconst.i32 0
;;   @0024                               jump block6(v18, v9)  ; v9 = 0
;;
;;                                   block6(v10: i32, v11: i32):
;;   @002a                               v12 = iadd v10, v11
;;   @002f                               v13 = iconst.i32 1
;;   @0031                               v14 = iadd v11, v13  ; v13 = 1
;;   @0036                               v15 = iconst.i32 10
;;   @0038                               v16 = icmp ult v14, v15  ; v15 = 10
;;   @0038                               v17 = uextend.i32 v16
;;   @0039                               brif v17, block6(v12, v14), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003e                               v21 = iconst.i32 1
;;   @0040                               v22 = isub.i32 v20, v21  ; v21 = 1
;;   @0045                               brif v22, block4(v12, v22), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v23 = load.i32 notrap aligned region1 v1-48
;;   @004a                               v24 = iadd v23, v12
;;   @004b                               jump block3(v24)
;;
;;                                   block3(v4: i32):
;;   @004b                               return v4
;;   }
;; optimized 0 0
;;   function u0:0(i64 vmctx, i64) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 6 "home slots"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block1:
;;   @001e                               v8 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @001e                               v6 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @0020                               v9 = iconst.i32 0
;;   @001e                               jump block4(v8, v6)
;;
;;                                   block4(v18: i32, v20: i32):
;;                                       v25 = iconst.i32 0
;;   @002f                               v13 = iconst.i32 1
;;   @0036                               v15 = iconst.i32 10
;;   @0024                               jump block6(v18, v25)  ; v25 = 0
;;
;;                                   block6(v10: i32, v11: i32):
;;                                       v26 = iconst.i32 1
;;                                       v27 = iadd v11, v26  ; v26 = 1
;;                                       v28 = iconst.i32 10
;;                                       v29 = icmp ult v27, v28  ; v28 = 10
;;   @002a                               v12 = iadd v10, v11
;;   @0039                               brif v29, block6(v12, v27), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;                                       v30 = iconst.i32 1
;;                                       v31 = isub.i32 v20, v30  ; v30 = 1
;;   @0045                               brif v31, block4(v12, v31), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v23 = load.i32 notrap aligned region1 v1-48
;;   @004b                               jump block3
;;
;;                                   block3:
;;   @004a                               v24 = iadd.i32 v23, v12
;;   @004b                               return v24
;;   }
;; clif 0 1
;;   function u0:0(i64 vmctx, i64) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 6 "home slots"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block2:
;;                                       v2 = iconst.i32 0
;;                                       v3 = iconst.i32 0
;;   @001b                               v5 = iconst.i32 1000
;;   @001e                               store notrap aligned region1 v5, v1-48  ; v5 = 1000
;;   @001e                               jump block4(v3, v2)  ; v3 = 0, v2 = 0
;;
;;                                   block4(v18: i32, v20: i32):
;;   @0020                               v6 = iconst.i32 0
;;   @0024                               jump block6(v18, v6, v20)  ; v6 = 0
;;
;;                                   block1:
;;   @0024                               v7 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @0024                               v8 = load.i32 notrap aligned readonly can_move region1 v1-32
;;   @0024                               v9 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @0024                               jump block6(v9, v8, v7)
;;
;;                                   block6(v10: i32, v11: i32, v19: i32):
;;   @002a                               v12 = iadd v10, v11
;;   @002f                               v13 = iconst.i32 1
;;   @0031                               v14 = iadd v11, v13  ; v13 = 1
;;   @0036                               v15 = iconst.i32 10
;;   @0038                               v16 = icmp ult v14, v15  ; v15 = 10
;;   @0038                               v17 = uextend.i32 v16
;;   @0039                               brif v17, block6(v12, v14, v19), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003e                               v21 = iconst.i32 1
;;   @0040                               v22 = isub.i32 v19, v21  ; v21 = 1
;;   @0045                               brif v22, block4(v12, v22), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v23 = load.i32 notrap aligned region1 v1-48
;;   @004a                               v24 = iadd v23, v12
;;   @004b                               jump block3(v24)
;;
;;                                   block3(v4: i32):
;;   @004b                               return v4
;;   }
;; optimized 0 1
;;   function u0:0(i64 vmctx, i64) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 6 "home slots"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block4:
;;   @0020                               v6 = iconst.i32 0
;;   @0024                               jump block6(v12, v6, v30)  ; v6 = 0
;;
;;                                   block1:
;;   @0024                               v9 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @0024                               v8 = load.i32 notrap aligned readonly can_move region1 v1-32
;;   @0024                               v7 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @002f                               v13 = iconst.i32 1
;;   @0036                               v15 = iconst.i32 10
;;   @0024                               jump block6(v9, v8, v7)
;;
;;                                   block6(v10: i32, v11: i32, v19: i32):
;;                                       v25 = iconst.i32 1
;;                                       v26 = iadd v11, v25  ; v25 = 1
;;                                       v27 = iconst.i32 10
;;                                       v28 = icmp ult v26, v27  ; v27 = 10
;;   @002a                               v12 = iadd v10, v11
;;   @0039                               brif v28, block6(v12, v26, v19), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;                                       v29 = iconst.i32 1
;;                                       v30 = isub.i32 v19, v29  ; v29 = 1
;;   @0045                               brif v30, block4, block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @0047                               v23 = load.i32 notrap aligned region1 v1-48
;;   @004b                               jump block3
;;
;;                                   block3:
;;   @004a                               v24 = iadd.i32 v23, v12
;;   @004b                               return v24
;;   }
