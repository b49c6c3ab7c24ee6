;;! clif 0
;;! optimized 0
(module
  (import "m" "m" (memory 1))
  (func (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load offset=4 (local.get 0)))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v4 = load.i64 notrap aligned readonly can_move region1 v0+48
;;                                       v5 = load.i64 notrap aligned readonly can_move region1 v4
;;                                       v2 = uextend.i64 v1
;;   @0025                               v6 = iadd v5, v2
;;   @0025                               v7 = load.i32 user32 little region0 v6
;;   @002a                               v8 = iadd v5, v2
;;   @002a                               v9 = load.i32 user33 little region0 v8+4
;;   @002d                               v10 = iadd v7, v9
;;   @002e                               jump block1(v10)
;;
;;                                   block1(v3: i32):
;;   @002e                               return v3
;;   }
;; optimized 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v4 = load.i64 notrap aligned readonly can_move region1 v0+48
;;                                       v5 = load.i64 notrap aligned readonly can_move region1 v4
;;                                       v2 = uextend.i64 v1
;;   @0025                               v6 = iadd v5, v2
;;   @0025                               v7 = load.i32 user32 little region0 v6
;;   @002a                               v8 = iadd v5, v2
;;   @002a                               v9 = load.i32 user33 little region0 v8+4
;;   @002d                               v10 = iadd v7, v9
;;   @002e                               jump block1
;;
;;                                   block1:
;;   @002e                               return v10
;;   }
