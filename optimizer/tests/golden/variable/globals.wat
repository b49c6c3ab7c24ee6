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
;;       region0 = 9 "global"
;;       region1 = 5 "imported globals"
;;       region2 = 0 "context"
;;
;;                                   block0(v0: i64):
;;   @002f                               v2 = load.i32 notrap aligned region0 v0+64
;;   @0031                               v3 = iconst.i32 16
;;   @0033                               v4 = isub v2, v3  ; v3 = 16
;;   @0034                               store notrap aligned region0 v4, v0+64
;;   @0036                               v5 = iconst.i32 1
;;   @0038                               v6 = load.i64 notrap aligned readonly can_move region2 v0+48
;;   @0038                               store notrap aligned region1 v5, v6  ; v5 = 1
;;   @003c                               jump block1(v4)
;;
;;                                   block1(v1: i32):
;;   @003c                               return v1
;;   }
;; optimized 0
;;   function u0:0(i64 vmctx) -> i32 tail {
;;       region0 = 9 "global"
;;       region1 = 5 "imported globals"
;;       region2 = 0 "context"
;;
;;                                   block0(v0: i64):
;;   @002f                               v2 = load.i32 notrap aligned region0 v0+64
;;   @0031                               v3 = iconst.i32 16
;;   @0033                               v4 = isub v2, v3  ; v3 = 16
;;   @0034                               store notrap aligned region0 v4, v0+64
;;   @0036                               v5 = iconst.i32 1
;;   @0038                               v6 = load.i64 notrap aligned readonly can_move region2 v0+48
;;   @0038                               store notrap aligned region1 v5, v6  ; v5 = 1
;;   @003c                               jump block1
;;
;;                                   block1:
;;   @003c                               return v4
;;   }
