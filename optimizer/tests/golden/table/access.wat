;;! clif 0
;;! clif 1
(module
  (table $fixed 4 4 externref)
  (table $growing 1 externref)
  (func (param i32) (result externref) (table.get $fixed (local.get 0)))
  (func (param i32 externref) (table.set $growing (local.get 0) (local.get 1))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i64 tail {
;;       region0 = 0 "context"
;;       region1 = 2 "table"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @002b                               v4 = iconst.i64 4
;;   @002b                               v5 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @002b                               v6 = icmp uge v2, v4  ; v4 = 4
;;   @002b                               trapnz v6, user3
;;   @002b                               v7 = iconst.i64 3
;;   @002b                               v8 = ishl v2, v7  ; v7 = 3
;;   @002b                               v9 = iadd v5, v8
;;   @002b                               v10 = select_spectre_guard v6, v5, v9
;;   @002b                               v11 = load.i64 notrap aligned region1 v10
;;   @002d                               jump block1(v11)
;;
;;                                   block1(v3: i64):
;;   @002d                               return v3
;;   }
;; clif 1
;;   function u0:1(i64 vmctx, i32, i64) tail {
;;       region0 = 0 "context"
;;       region1 = 2 "table"
;;
;;                                   block0(v0: i64, v1: i32, v2: i64):
;;                                       v3 = uextend.i64 v1
;;   @0034                               v4 = load.i64 notrap aligned region0 v0+72
;;   @0034                               v5 = load.i64 notrap aligned region0 v0+64
;;   @0034                               v6 = icmp uge v3, v4
;;   @0034                               trapnz v6, user3
;;   @0034                               v7 = iconst.i64 3
;;   @0034                               v8 = ishl v3, v7  ; v7 = 3
;;   @0034                               v9 = iadd v5, v8
;;   @0034                               v10 = select_spectre_guard v6, v5, v9
;;   @0034                               store notrap aligned region1 v2, v10
;;   @0036                               jump block1
;;
;;                                   block1:
;;   @0036                               return
;;   }
