;;! clif 0
(module
  (elem declare func $f)
  (func $f (result i32) (ref.is_null (ref.func $f))))
;; clif 0
;;   function u0:0(i64 vmctx) -> i32 tail {
;;                                   block0(v0: i64):
;;   @001f                               v2 = iconst.i64 48
;;   @001f                               v3 = iadd v0, v2  ; v2 = 48
;;   @0021                               v4 = iconst.i64 0
;;   @0021                               v5 = icmp eq v3, v4  ; v4 = 0
;;   @0021                               v6 = uextend.i32 v5
;;   @0022                               jump block1(v6)
;;
;;                                   block1(v1: i32):
;;   @0022                               return v1
;;   }
