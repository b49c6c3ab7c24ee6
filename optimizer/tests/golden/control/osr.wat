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
;;   @001e                               jump block4(v3, v2, v5)  ; v3 = 0, v2 = 0, v5 = 1000
;;
;;                                   block1:
;;   @001e                               v6 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @001e                               v7 = load.i32 notrap aligned readonly can_move region1 v1-32
;;   @001e                               v8 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @001e                               v9 = load.i32 notrap aligned readonly can_move region1 v1-48
;;   @001e                               jump block4(v8, v6, v9)
;;
;;                                   block4(v19: i32, v21: i32, v25: i32):
;;                                       v20 -> v21
;;                                       v24 -> v25
;;   @0020                               v10 = iconst.i32 0
;;   @0024                               jump block6(v19, v10)  ; v10 = 0
;;
;;                                   block6(v11: i32, v12: i32):
;;   @002a                               v13 = iadd v11, v12
;;   @002f                               v14 = iconst.i32 1
;;   @0031                               v15 = iadd v12, v14  ; v14 = 1
;;   @0036                               v16 = iconst.i32 10
;;   @0038                               v17 = icmp ult v15, v16  ; v16 = 10
;;   @0038                               v18 = uextend.i32 v17
;;   @0039                               brif v18, block6(v13, v15), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003e                               v22 = iconst.i32 1
;;   @0040                               v23 = isub.i32 v21, v22  ; v22 = 1
;;   @0045                               brif v23, block4(v13, v23, v24), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @004a                               v26 = iadd.i32 v25, v13
;;   @004b                               jump block3(v26)
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
;;   @0020                               v10 = iconst.i32 0
;;   @001e                               jump block4(v8, v6)
;;
;;                                   block4(v19: i32, v21: i32):
;;                                       v27 = iconst.i32 0
;;   @002f                               v14 = iconst.i32 1
;;   @0036                               v16 = iconst.i32 10
;;   @0024                               jump block6(v19, v27)  ; v27 = 0
;;
;;                                   block6(v11: i32, v12: i32):
;;                                       v28 = iconst.i32 1
;;                                       v29 = iadd v12, v28  ; v28 = 1
;;                                       v30 = iconst.i32 10
;;                                       v31 = icmp ult v29, v30  ; v30 = 10
;;   @002a                               v13 = iadd v11, v12
;;   @0039                               brif v31, block6(v13, v29), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;                                       v32 = iconst.i32 1
;;                                       v33 = isub.i32 v21, v32  ; v32 = 1
;;   @0045                               brif v33, block4(v13, v33), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @004b                               jump block3
;;
;;                                   block3:
;;   @001e                               v9 = load.i32 notrap aligned readonly can_move region1 v1-48
;;   @004a                               v26 = iadd v9, v13
;;   @004b                               return v26
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
;;   @001e                               jump block4(v3, v2, v5)  ; v3 = 0, v2 = 0, v5 = 1000
;;
;;                                   block4(v19: i32, v21: i32, v25: i32):
;;   @0020                               v6 = iconst.i32 0
;;   @0024                               jump block6(v19, v6, v21, v25)  ; v6 = 0
;;
;;                                   block1:
;;   @0024                               v7 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @0024                               v8 = load.i32 notrap aligned readonly can_move region1 v1-32
;;   @0024                               v9 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @0024                               v10 = load.i32 notrap aligned readonly can_move region1 v1-48
;;   @0024                               jump block6(v9, v8, v7, v10)
;;
;;                                   block6(v11: i32, v12: i32, v20: i32, v24: i32):
;;   @002a                               v13 = iadd v11, v12
;;   @002f                               v14 = iconst.i32 1
;;   @0031                               v15 = iadd v12, v14  ; v14 = 1
;;   @0036                               v16 = iconst.i32 10
;;   @0038                               v17 = icmp ult v15, v16  ; v16 = 10
;;   @0038                               v18 = uextend.i32 v17
;;   @0039                               brif v18, block6(v13, v15, v20, v24), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;   @003e                               v22 = iconst.i32 1
;;   @0040                               v23 = isub.i32 v20, v22  ; v22 = 1
;;   @0045                               brif v23, block4(v13, v23, v24), block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @004a                               v26 = iadd.i32 v24, v13
;;   @004b                               jump block3(v26)
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
;;   @0024                               jump block6(v13, v6, v32)  ; v6 = 0
;;
;;                                   block1:
;;   @0024                               v9 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @0024                               v8 = load.i32 notrap aligned readonly can_move region1 v1-32
;;   @0024                               v7 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @002f                               v14 = iconst.i32 1
;;   @0036                               v16 = iconst.i32 10
;;   @0024                               jump block6(v9, v8, v7)
;;
;;                                   block6(v11: i32, v12: i32, v20: i32):
;;                                       v27 = iconst.i32 1
;;                                       v28 = iadd v12, v27  ; v27 = 1
;;                                       v29 = iconst.i32 10
;;                                       v30 = icmp ult v28, v29  ; v29 = 10
;;   @002a                               v13 = iadd v11, v12
;;   @0039                               brif v30, block6(v13, v28, v20), block8
;;
;;                                   block8:
;;   @003b                               jump block7
;;
;;                                   block7:
;;                                       v31 = iconst.i32 1
;;                                       v32 = isub.i32 v20, v31  ; v31 = 1
;;   @0045                               brif v32, block4, block9
;;
;;                                   block9:
;;   @0047                               jump block5
;;
;;                                   block5:
;;   @004b                               jump block3
;;
;;                                   block3:
;;   @0024                               v10 = load.i32 notrap aligned readonly can_move region1 v1-48
;;   @004a                               v26 = iadd v10, v13
;;   @004b                               return v26
;;   }
