;;@ no-spectre
;;! clif 0
(module
  (table $t 4 funcref)
  (func (param i32) (result funcref) (table.get $t (local.get 0))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i64 tail {
;;       region0 = 0 "context"
;;       region1 = 2 "table"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @0021                               v4 = load.i64 notrap aligned region0 v0+56
;;   @0021                               v5 = load.i64 notrap aligned region0 v0+48
;;   @0021                               v6 = icmp uge v2, v4
;;   @0021                               trapnz v6, user3
;;   @0021                               v7 = iconst.i64 3
;;   @0021                               v8 = ishl v2, v7  ; v7 = 3
;;   @0021                               v9 = iadd v5, v8
;;   @0021                               v10 = load.i64 notrap aligned region1 v9
;;   @0023                               jump block1(v10)
;;
;;                                   block1(v3: i64):
;;   @0023                               return v3
;;   }
