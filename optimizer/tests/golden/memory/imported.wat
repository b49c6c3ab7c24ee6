;;! clif 0
;;! optimized 0
(module
  (import "m" "m" (memory 1))
  (func (param i32) (result i32)
    (i32.add (i32.load (local.get 0)) (i32.load offset=4 (local.get 0)))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 1 "memory"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;   @0025                               v3 = uextend.i64 v1
;;   @0025                               v4 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @0025                               v5 = load.i64 notrap aligned readonly can_move region0 v4
;;   @0025                               v6 = iadd v5, v3
;;   @0025                               v7 = load.i32 little region1 v6
;;   @002a                               v8 = uextend.i64 v1
;;   @002a                               v9 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @002a                               v10 = load.i64 notrap aligned readonly can_move region0 v9
;;   @002a                               v11 = iadd v10, v8
;;   @002a                               v12 = load.i32 little region1 v11+4
;;   @002d                               v13 = iadd v7, v12
;;   @002e                               jump block1(v13)
;;
;;                                   block1(v2: i32):
;;   @002e                               return v2
;;   }
;; optimized 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 1 "memory"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;   @0025                               v4 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @0025                               v5 = load.i64 notrap aligned readonly can_move region0 v4
;;   @0025                               v3 = uextend.i64 v1
;;   @0025                               v6 = iadd v5, v3
;;   @0025                               v7 = load.i32 little region1 v6
;;   @002a                               v12 = load.i32 little region1 v6+4
;;   @002e                               jump block1
;;
;;                                   block1:
;;   @002d                               v13 = iadd.i32 v7, v12
;;   @002e                               return v13
;;   }
