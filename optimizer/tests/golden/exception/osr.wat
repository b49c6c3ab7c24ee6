;;! optimized 0 0
;;; An OSR entry inside of a `catch`, whose exception is read from its home slot.
(module
  (import "m" "f" (func $f))
  (func (param i32)
    i32.const 7
    try
      call $f
    catch_all
      loop $l
        call $f
        local.get 0
        i32.const 1
        i32.sub
        local.tee 0
        br_if $l
      end
      rethrow 0
    end
    drop))
;; optimized 0 0
;;   function u0:0(i64 vmctx, i64) tail {
;;       region0 = 6 "home slots"
;;       region1 = 0 "context"
;;       region2 = 4 "slot"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region1 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region1 gv1
;;       sig0 = (i64 vmctx) tail
;;       sig1 = (i64, i64) system_v
;;       fn0 = u1:21 sig1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block1:
;;   @002b                               v9 = uload32.i64 notrap aligned readonly can_move region0 v1-24
;;   @002b                               jump block7(v9)
;;
;;                                   block7(v13: i64) cold:
;;   @002d                               v10 = load.i64 notrap aligned readonly can_move region1 v0+48
;;   @002d                               v11 = load.i64 notrap aligned readonly can_move region1 v0+56
;;   @002d                               v12 = load.i64 notrap aligned region2 v10
;;   @002d                               call_indirect sig0, v12(v11)
;;   @002f                               v14 = ireduce.i32 v13
;;   @0031                               v15 = iconst.i32 1
;;   @0033                               v16 = isub v14, v15  ; v15 = 1
;;   @0034                               v17 = uextend.i64 v16
;;   @0036                               brif v16, block7(v17), block9
;;
;;                                   block9 cold:
;;   @0038                               jump block8
;;
;;                                   block8 cold:
;;   @0038                               v18 = load.i64 notrap aligned region0 v1-40
;;   @0039                               v19 = load.i64 notrap aligned region0 v1-40
;;   @0039                               call fn0(v0, v19)
;;   @0039                               trap user1
;;   }
