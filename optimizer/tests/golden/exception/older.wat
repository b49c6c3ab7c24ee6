;;! clif 0
;;; The older form: clauses that are compared one after the other, `rethrow`, `delegate`.
(module
  (import "m" "f" (func $f))
  (tag $a (param i32))
  (tag $b (param i64))
  (func (result i32)
    try $outer (result i32)
      try
        try
          call $f
        delegate $outer
        i32.const 1
        br $outer
      catch_all
        unreachable
      end
      i32.const 2
    catch $a
      i32.eqz
    catch $b
      drop
      rethrow $outer
    end))
;; clif 0
;;   function u0:0(i64 vmctx) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 4 "slot"
;;       region2 = 41 "exception"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64 vmctx) tail
;;       sig1 = (i64, i64) system_v
;;       fn0 = u1:21 sig1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64):
;;   @0039                               v3 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @0039                               v4 = load.i64 notrap aligned readonly can_move region0 v0+56
;;   @0039                               v5 = load.i64 notrap aligned region1 v3
;;   @0039                               try_call_indirect v5(v4), sig0, block6, [ default: block5(exn0) ]
;;
;;                                   block6:
;;   @003b                               jump block4
;;
;;                                   block5(v6: i64) cold:
;;   @003b                               jump block7(v6)
;;
;;                                   block4:
;;   @003d                               v8 = iconst.i32 1
;;   @003f                               jump block2(v8)  ; v8 = 1
;;
;;                                   block7(v7: i64) cold:
;;   @0046                               v9 = load.i64 notrap aligned region2 v7
;;   @0046                               v10 = load.i64 notrap aligned readonly can_move region0 v0+64
;;   @0046                               v11 = icmp eq v9, v10
;;   @0046                               brif v11, block8, block9
;;
;;                                   block8 cold:
;;   @0046                               v12 = load.i32 notrap aligned region2 v7+16
;;   @0048                               v13 = iconst.i32 0
;;   @0048                               v14 = icmp eq v12, v13  ; v13 = 0
;;   @0048                               v15 = uextend.i32 v14
;;   @0049                               jump block2(v15)
;;
;;                                   block9 cold:
;;   @0049                               v16 = load.i64 notrap aligned region2 v7
;;   @0049                               v17 = load.i64 notrap aligned readonly can_move region0 v0+72
;;   @0049                               v18 = icmp eq v16, v17
;;   @0049                               brif v18, block10, block11
;;
;;                                   block10 cold:
;;   @0049                               v19 = load.i64 notrap aligned region2 v7+16
;;   @004c                               call fn0(v0, v7)
;;   @004c                               trap user1
;;
;;                                   block11 cold:
;;   @004e                               call fn0(v0, v7)
;;   @004e                               trap user1
;;
;;                                   block2(v2: i32):
;;   @004f                               jump block1(v2)
;;
;;                                   block1(v1: i32):
;;   @004f                               return v1
;;   }
