;;! clif 0
(module
  (func (param f64) (result f64) (f64.floor (local.get 0))))
;; clif 0
;;   function u0:0(i64 vmctx, f64) -> f64 tail {
;;                                   block0(v0: i64, v1: f64):
;;   @001b                               v3 = floor v1
;;   @001c                               jump block1(v3)
;;
;;                                   block1(v2: f64):
;;   @001c                               return v2
;;   }
