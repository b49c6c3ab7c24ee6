;;@ no-spectre
;;! clif 0
(module
  (table $t 4 funcref)
  (func (param i32) (result funcref) (table.get $t (local.get 0))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i64 tail {
;;       region0 = 0 "context"
;;       region1 = 2 "table"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;   @0021                               v3 = load.i64 notrap aligned region0 v0+40
;;   @0021                               v4 = load.i64 notrap aligned region0 v0+32
;;   @0021                               v5 = uextend.i64 v1
;;   @0021                               v6 = icmp uge v5, v3
;;   @0021                               trapnz v6, user3
;;   @0021                               v7 = iconst.i64 3
;;   @0021                               v8 = ishl v5, v7  ; v7 = 3
;;   @0021                               v9 = iadd v4, v8
;;   @0021                               v10 = load.i64 notrap aligned region1 v9
;;   @0023                               jump block1(v10)
;;
;;                                   block1(v2: i64):
;;   @0023                               return v2
;;   }
