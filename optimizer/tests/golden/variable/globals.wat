;;! clif 0
;;! optimized 0
(module
  (import "m" "g" (global $imported (mut i32)))
  (global $sp (mut i32) (i32.const 0))
  (global $constant i32 (i32.const 16))
  (func (result i32)
    (global.set $sp (i32.sub (global.get $sp) (global.get $constant)))
    (global.set $imported (i32.const 1))
    (global.get $sp)))
;; clif 0
;;   function u0:0(i64 vmctx) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 9 "global"
;;       region2 = 5 "imported globals"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64):
;;   @002f                               v2 = load.i32 notrap aligned region1 v0+48
;;   @0031                               v3 = iconst.i32 16
;;   @0033                               v4 = isub v2, v3  ; v3 = 16
;;   @0034                               store notrap aligned region1 v4, v0+48
;;   @0036                               v5 = iconst.i32 1
;;   @0038                               v6 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @0038                               store notrap aligned region2 v5, v6  ; v5 = 1
;;   @003a                               v7 = load.i32 notrap aligned region1 v0+48
;;   @003c                               jump block1(v7)
;;
;;                                   block1(v1: i32):
;;   @003c                               return v1
;;   }
;; optimized 0
;;   function u0:0(i64 vmctx) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 9 "global"
;;       region2 = 5 "imported globals"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64):
;;   @002f                               v2 = load.i32 notrap aligned region1 v0+48
;;   @0031                               v3 = iconst.i32 16
;;   @0033                               v4 = isub v2, v3  ; v3 = 16
;;   @0034                               store notrap aligned region1 v4, v0+48
;;   @0036                               v5 = iconst.i32 1
;;   @0038                               v6 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @0038                               store notrap aligned region2 v5, v6  ; v5 = 1
;;   @003c                               jump block1
;;
;;                                   block1:
;;                                       v8 = isub.i32 v2, v3  ; v3 = 16
;;   @003c                               return v8
;;   }
