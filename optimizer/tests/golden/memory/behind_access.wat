;;! clif 0
(module
  (; The second load is known not to wrap; the third one is not. ;)
  (memory 1)
  (func (param i32) (result i32 i32 i32)
    (i32.load (local.get 0))
    (i32.load offset=4 (i32.add (local.get 0) (i32.const 16)))
    (i32.load (i32.add (local.get 0) (i32.const -16)))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32, i32, i32 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v6 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v2 = uextend.i64 v1
;;   @0022                               v7 = iadd v6, v2
;;   @0022                               v8 = load.i32 user32 little region0 v7
;;   @0027                               v9 = iconst.i32 16
;;   @0029                               v10 = iadd v1, v9  ; v9 = 16
;;   @002a                               v11 = iadd v6, v2
;;   @002a                               v12 = load.i32 user33 little region0 v11+20
;;   @002f                               v13 = iconst.i32 -16
;;   @0031                               v14 = iadd v1, v13  ; v13 = -16
;;   @0032                               v15 = uextend.i64 v14
;;   @0032                               v16 = iadd v6, v15
;;   @0032                               v17 = load.i32 user34 little region0 v16
;;   @0035                               jump block1(v8, v12, v17)
;;
;;                                   block1(v3: i32, v4: i32, v5: i32):
;;   @0035                               return v3, v4, v5
;;   }
