;;! clif 0
(module
  (func (param i64) (result i64) (i64.extend8_s (local.get 0))))
;; clif 0
;;   function u0:0(i64 vmctx, i64) -> i64 tail {
;;                                   block0(v0: i64, v1: i64):
;;   @001b                               v3 = ireduce.i8 v1
;;   @001b                               v4 = sextend.i64 v3
;;   @001c                               jump block1(v4)
;;
;;                                   block1(v2: i64):
;;   @001c                               return v2
;;   }
