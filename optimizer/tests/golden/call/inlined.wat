;;! clif 0
;;! clif 3
(module
  (memory 1)
  (func (param i32) (result i32) (call 1 (call 2 (local.get 0) (i32.const 3))))
  (func (param i32) (result i32) (local i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const -1))))
    (call 2 (local.get 0) (local.get 1)))
  (func (param i32 i32) (result i32) (i32.load (i32.add (local.get 0) (local.get 1))))
  ;; Recursion is inlined once, and a tail call not at all.
  (func (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (call 4 (call 3 (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 0))))
  (func (param i32) (result i32) (return_call 2 (local.get 0) (local.get 0))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v10 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v2 = uextend.i64 v1
;;   @002a                               v4 = iconst.i32 3
;;   @002c                               v5 = iconst.i64 3
;;   @0049                               v7 = iconst.i32 3
;;   @004b                               v8 = iadd v1, v7  ; v7 = 3
;;   @004c                               v9 = uextend.i64 v8
;;   @004c                               v11 = iadd v10, v9
;;   @004c                               v13 = uload32 user32 little region0 v11
;;   @004c                               v12 = ireduce.i32 v13
;;   @002e                               v14 = iconst.i32 0
;;   @002e                               v15 = iconst.i64 0
;;   @0035                               v17 = ireduce.i32 v13
;;   @0037                               v18 = iconst.i32 0
;;   @0037                               v19 = icmp eq v17, v18  ; v18 = 0
;;   @0037                               v20 = uextend.i32 v19
;;   @0038                               brif v20, block4, block5
;;
;;                                   block4:
;;   @003a                               v21 = iconst.i32 -1
;;   @003c                               jump block3(v21)  ; v21 = -1
;;
;;                                   block5:
;;   @003d                               jump block6
;;
;;                                   block6:
;;   @003e                               v22 = ireduce.i32 v13
;;   @0040                               v23 = iconst.i32 0
;;   @0042                               v24 = iconst.i64 0
;;   @0047                               v26 = ireduce.i32 v13
;;   @0049                               v27 = iconst.i32 0
;;   @004c                               v28 = iadd.i64 v10, v13
;;   @004c                               v29 = load.i32 user33 little region0 v28
;;   @0044                               jump block3(v29)
;;
;;                                   block3(v16: i32):
;;   @0030                               jump block1(v16)
;;
;;                                   block1(v3: i32):
;;   @0030                               return v3
;;   }
;; clif 3
;;   function u0:3(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64 vmctx, i32) -> i32 tail
;;       fn0 = colocated u0:3 sig0
;;       fn1 = u0:4 sig0
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @0054                               brif v1, block2, block3
;;
;;                                   block2:
;;   @0056                               v5 = ireduce.i32 v2
;;   @0058                               v6 = iconst.i32 1
;;   @005a                               v7 = isub v5, v6  ; v6 = 1
;;   @005b                               v8 = uextend.i64 v7
;;   @0054                               brif v7, block6, block7
;;
;;                                   block6:
;;   @0056                               v11 = ireduce.i32 v8
;;   @0058                               v12 = iconst.i32 1
;;   @005a                               v13 = isub v11, v12  ; v12 = 1
;;   @005b                               v14 = call fn0(v0, v13)
;;   @005d                               v15 = call fn1(v0, v14)
;;   @005f                               jump block8(v15)
;;
;;                                   block7:
;;   @0060                               v16 = iconst.i32 0
;;   @0062                               jump block8(v16)  ; v16 = 0
;;
;;                                   block8(v10: i32):
;;   @005d                               v17 = call fn1(v0, v10)
;;   @005f                               jump block4(v17)
;;
;;                                   block3:
;;   @0060                               v18 = iconst.i32 0
;;   @0062                               jump block4(v18)  ; v18 = 0
;;
;;                                   block4(v4: i32):
;;   @0063                               jump block1(v4)
;;
;;                                   block1(v3: i32):
;;   @0063                               return v3
;;   }
