;;! clif 0
;;! clif 1
;;! clif 2
;;; What is thrown to a clause that is known becomes a branch, also out of an inlined function; the
;;; rest becomes an object.
(module
  (import "m" "t" (tag $imported))
  (import "m" "u" (tag $other))
  (tag $t (param i32 v128))
  (func (param i32) (result i32)
    (block $nothing
      (block $caught (result i32 v128)
        (try_table (catch $t $caught) (catch $imported $nothing)
          (call $throws (local.get 0)))
        (return (i32.const 0)))
      (drop)
      (return))
    (i32.const 1))
  (func $throws (param i32)
    (if (local.get 0)
      (then (throw $t (local.get 0) (v128.const i64x2 1 2)))))
  (func
    (try_table (catch $imported 0)
      (throw $other))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       const0 = 0x00000000000000020000000000000001
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @0062                               brif v1, block6, block7
;;
;;                                   block6:
;;   @0064                               v6 = ireduce.i32 v2
;;   @0066                               v7 = vconst.i8x16 const0
;;   @0078                               jump block3(v6, v7)  ; v7 = const0
;;
;;                                   block7:
;;   @007a                               jump block8
;;
;;                                   block8:
;;   @0054                               v8 = iconst.i32 0
;;   @0056                               return v8  ; v8 = 0
;;
;;                                   block3(v4: i32, v5: i8x16):
;;   @0059                               return v4
;;   }
;; clif 1
;;   function u0:1(i64 vmctx, i32) tail {
;;       region0 = 41 "exception"
;;       region1 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region1 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region1 gv1
;;       sig0 = (i64, i32, i32) -> i64 system_v
;;       sig1 = (i64, i64) system_v
;;       fn0 = u1:20 sig0
;;       fn1 = u1:21 sig1
;;       const0 = 0x00000000000000020000000000000001
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @0062                               brif v1, block2, block3
;;
;;                                   block2:
;;   @0064                               v3 = ireduce.i32 v2
;;   @0066                               v4 = vconst.i8x16 const0
;;   @0078                               v5 = iconst.i32 2
;;   @0078                               v6 = iconst.i32 3
;;   @0078                               v7 = call fn0(v0, v5, v6)  ; v5 = 2, v6 = 3
;;   @0078                               store notrap aligned region0 v3, v7+16
;;   @0078                               store notrap region0 v4, v7+24  ; v4 = const0
;;   @0078                               call fn1(v0, v7)
;;   @0078                               trap user1
;;
;;                                   block3:
;;   @007a                               jump block4
;;
;;                                   block4:
;;   @007b                               jump block1
;;
;;                                   block1:
;;   @007b                               return
;;   }
;; clif 2
;;   function u0:2(i64 vmctx) tail {
;;       region0 = 41 "exception"
;;       region1 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region1 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region1 gv1
;;       sig0 = (i64, i32, i32) -> i64 system_v
;;       sig1 = (i64, i64) system_v
;;       fn0 = u1:20 sig0
;;       fn1 = u1:21 sig1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64):
;;   @0084                               v1 = iconst.i32 1
;;   @0084                               v2 = iconst.i32 0
;;   @0084                               v3 = call fn0(v0, v1, v2)  ; v1 = 1, v2 = 0
;;   @0084                               jump block3(v3)
;;
;;                                   block3(v4: i64) cold:
;;   @0086                               v5 = load.i64 notrap aligned region0 v4
;;   @0086                               v6 = load.i64 notrap aligned readonly can_move region1 v0+48
;;   @0086                               v7 = icmp eq v5, v6
;;   @0086                               brif v7, block4, block5
;;
;;                                   block4 cold:
;;   @0086                               jump block1
;;
;;                                   block5 cold:
;;   @0086                               call fn1(v0, v4)
;;   @0086                               trap user1
;;
;;                                   block1 cold:
;;   @0087                               return
;;   }
