;;! clif 0
(module
  (func (param i32 i64) (result i64)
    (i64.const 1)
    (if (param i64) (result i64) (local.get 0)
      (then (i64.add (local.get 1)))
      (else (i64.sub (local.get 1))))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i64) -> i64 tail {
;;       region0 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32, v2: i64):
;;   @001f                               v4 = iconst.i64 1
;;   @0023                               brif v1, block2, block3
;;
;;                                   block2:
;;   @0027                               v6 = iadd.i64 v4, v2  ; v4 = 1
;;   @0028                               jump block4(v6)
;;
;;                                   block3:
;;   @002b                               v7 = isub.i64 v4, v2  ; v4 = 1
;;   @002c                               jump block4(v7)
;;
;;                                   block4(v5: i64):
;;   @002d                               jump block1(v5)
;;
;;                                   block1(v3: i64):
;;   @002d                               return v3
;;   }
