;;! clif 0
(module
  (func (param i32 i64) (result i64)
    (i64.const 1)
    (if (param i64) (result i64) (local.get 0)
      (then (i64.add (local.get 1)))
      (else (i64.sub (local.get 1))))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i64) -> i64 tail {
;;                                   block0(v0: i64, v1: i32, v2: i64):
;;                                       v3 = uextend.i64 v1
;;   @001f                               v5 = iconst.i64 1
;;   @0023                               brif v1, block2, block3
;;
;;                                   block2:
;;   @0027                               v7 = iadd.i64 v2, v5  ; v5 = 1
;;   @0028                               jump block4(v7)
;;
;;                                   block3:
;;   @002b                               v8 = isub.i64 v5, v2  ; v5 = 1
;;   @002c                               jump block4(v8)
;;
;;                                   block4(v6: i64):
;;   @002d                               jump block1(v6)
;;
;;                                   block1(v4: i64):
;;   @002d                               return v4
;;   }
