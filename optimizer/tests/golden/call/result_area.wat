;;@ no-inline
;;! clif 0
;;! clif 1
(module
  (func $many (param i32) (result i32 i32 i32 i32 i32 i64)
    (local.get 0) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i64.const 6))
  (func (result i64) (local i64)
    (call $many (i32.const 1))
    (local.set 0) (drop) (drop) (drop) (drop) (drop)
    (local.get 0)))
;; clif 0
;;   function u0:0(i64 vmctx, i64, i32) -> i32, i32, i32, i32 tail {
;;       region0 = 7 "results"
;;
;;                                   block0(v0: i64, v1: i64, v2: i32):
;;                                       v3 = uextend.i64 v2
;;   @0025                               v10 = iconst.i32 2
;;   @0027                               v11 = iconst.i32 3
;;   @0029                               v12 = iconst.i32 4
;;   @002b                               v13 = iconst.i32 5
;;   @002d                               v14 = iconst.i64 6
;;   @002f                               jump block1(v2, v10, v11, v12, v13, v14)  ; v10 = 2, v11 = 3, v12 = 4, v13 = 5, v14 = 6
;;
;;                                   block1(v4: i32, v5: i32, v6: i32, v7: i32, v8: i32, v9: i64):
;;   @002f                               store notrap aligned region0 v8, v1
;;   @002f                               store notrap aligned region0 v9, v1+16
;;   @002f                               return v4, v5, v6, v7
;;   }
;; clif 1
;;   function u0:1(i64 vmctx) -> i64 tail {
;;       ss0 = explicit_slot 32, align = 16
;;       region0 = 7 "results"
;;       region1 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region1 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region1 gv1
;;       sig0 = (i64 vmctx, i64, i32) -> i32, i32, i32, i32 tail
;;       fn0 = u0:0 sig0
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64):
;;                                       v1 = iconst.i64 0
;;   @0034                               v3 = iconst.i32 1
;;   @0036                               v4 = stack_addr.i64 ss0
;;   @0036                               v5, v6, v7, v8 = call fn0(v0, v4, v3)  ; v3 = 1
;;   @0036                               v9 = load.i32 notrap aligned region0 v4
;;   @0036                               v10 = load.i64 notrap aligned region0 v4+16
;;   @0041                               jump block1(v10)
;;
;;                                   block1(v2: i64):
;;   @0041                               return v2
;;   }
