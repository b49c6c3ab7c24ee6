;;! clif 0
(module
  (import "m" "f" (func $f (param f64) (result f64)))
  (func (param f64) (result f64) (call $f (call $f (local.get 0)))))
;; clif 0
;;   function u0:0(i64 vmctx, f64) -> f64 tail {
;;       region0 = 0 "context"
;;       region1 = 4 "slot"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64 vmctx, f64) -> f64 tail
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: f64):
;;   @0024                               v3 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @0024                               v4 = load.i64 notrap aligned readonly can_move region0 v0+56
;;   @0024                               v5 = load.i64 notrap aligned region1 v3
;;   @0024                               v6 = call_indirect sig0, v5(v4, v1)
;;   @0026                               v7 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @0026                               v8 = load.i64 notrap aligned readonly can_move region0 v0+56
;;   @0026                               v9 = load.i64 notrap aligned region1 v7
;;   @0026                               v10 = call_indirect sig0, v9(v8, v6)
;;   @0028                               jump block1(v10)
;;
;;                                   block1(v2: f64):
;;   @0028                               return v2
;;   }
