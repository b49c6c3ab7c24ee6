;;! optimized 0
;;! optimized 1
(module
  (memory 1)
  ;; The result is set once, and passed to the end by early exits: in a loop, and at a branch that
  ;; is taken or not.
  (func (param $at i32) (param $n i32) (result i32) (local $result i32)
    (local.set $result (i32.const -1))
    (block $end
      (br_if $end (i32.gt_u (local.get $n) (i32.const 100)))
      (loop $next
        (br_if $end (i32.eqz (i32.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.set $result (i32.load (local.get $at))))
    local.get $result)
  ;; More of them than are made for one edge; and a local that is the same constant on all edges.
  (func (param $choice i32) (result i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $e i32) (local $same i32)
    (local.set $b (i32.const 1))
    (local.set $c (i32.const 2))
    (local.set $d (i32.const 3))
    (local.set $e (i32.const 4))
    (local.set $same (i32.const 5))
    (if (local.get $choice)
      (then
        (local.set $a (local.get $choice))
        (local.set $b (local.get $choice))
        (local.set $c (local.get $choice))
        (local.set $d (local.get $choice))
        (local.set $e (local.get $choice))))
    (i32.add
      (i32.add (i32.mul (local.get $a) (local.get $b)) (i32.mul (local.get $c) (local.get $d)))
      (i32.xor (local.get $e) (local.get $same)))))
;; optimized 0
;;   function u0:0(i64 vmctx, i32, i32) -> i32 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;                                       v15 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v3 = uextend.i64 v1
;;                                       v4 = uextend.i64 v2
;;                                       v5 = iconst.i32 0
;;                                       v6 = iconst.i64 0
;;   @0027                               v8 = iconst.i32 -1
;;   @0029                               v9 = iconst.i64 0xffff_ffff
;;   @002f                               v10 = iconst.i32 100
;;   @0032                               v11 = icmp ugt v2, v10  ; v10 = 100
;;   @0032                               v12 = uextend.i32 v11
;;   @0033                               brif v12, block2(v9), block3  ; v9 = 0xffff_ffff
;;
;;                                   block3:
;;   @0035                               jump block4(v3, v4)
;;
;;                                   block4(v13: i64, v25: i64):
;;   @0037                               v14 = ireduce.i32 v13
;;   @0039                               v16 = iadd.i64 v15, v13
;;   @0039                               v17 = uload8.i32 user32 little region0 v16
;;   @003c                               v18 = iconst.i32 0
;;   @003c                               v19 = icmp eq v17, v18  ; v18 = 0
;;   @003c                               v20 = uextend.i32 v19
;;   @003d                               brif v20, block8, block6
;;
;;                                   block8:
;;   @003d                               v37 = iconst.i64 0xffff_ffff
;;   @003d                               jump block2(v37)  ; v37 = 0xffff_ffff
;;
;;                                   block6:
;;   @003f                               v21 = ireduce.i32 v13
;;   @0041                               v22 = iconst.i32 1
;;   @0043                               v23 = iadd v21, v22  ; v22 = 1
;;   @0044                               v24 = uextend.i64 v23
;;   @0046                               v26 = ireduce.i32 v25
;;   @0048                               v27 = iconst.i32 1
;;   @004a                               v28 = isub v26, v27  ; v27 = 1
;;   @004b                               v29 = uextend.i64 v28
;;   @004d                               brif v28, block4(v24, v29), block7
;;
;;                                   block7:
;;   @004f                               jump block5
;;
;;                                   block5:
;;   @0050                               v30 = ireduce.i32 v24
;;   @0052                               v31 = iadd.i64 v15, v24
;;   @0052                               v33 = uload32 user33 little region0 v31
;;   @0052                               v32 = ireduce.i32 v33
;;   @0057                               jump block2(v33)
;;
;;                                   block2(v34: i64):
;;   @0058                               v36 = ireduce.i32 v34
;;   @005a                               jump block1
;;
;;                                   block1:
;;   @005a                               return v36
;;   }
;; optimized 1
;;   function u0:1(i64 vmctx, i32) -> i32 tail {
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;                                       v3 = iconst.i32 0
;;                                       v4 = iconst.i64 0
;;                                       v5 = iconst.i64 0
;;                                       v6 = iconst.i64 0
;;                                       v7 = iconst.i64 0
;;                                       v8 = iconst.i64 0
;;                                       v9 = iconst.i64 0
;;   @005f                               v11 = iconst.i32 1
;;   @0061                               v12 = iconst.i64 1
;;   @0063                               v13 = iconst.i32 2
;;   @0065                               v14 = iconst.i64 2
;;   @0067                               v15 = iconst.i32 3
;;   @0069                               v16 = iconst.i64 3
;;   @006b                               v17 = iconst.i32 4
;;   @006d                               v18 = iconst.i64 4
;;   @006f                               v19 = iconst.i32 5
;;   @0071                               v20 = iconst.i64 5
;;   @0075                               brif v1, block2, block3
;;
;;                                   block2:
;;   @0077                               v21 = ireduce.i32 v2
;;   @007b                               v22 = ireduce.i32 v2
;;   @007f                               v23 = ireduce.i32 v2
;;   @0083                               v24 = ireduce.i32 v2
;;   @0087                               v25 = ireduce.i32 v2
;;   @008b                               jump block4(v2, v2, v2, v2, v2)
;;
;;                                   block3:
;;   @008b                               v43 = iconst.i64 0
;;   @008b                               v44 = iconst.i64 1
;;   @008b                               v45 = iconst.i64 2
;;   @008b                               v46 = iconst.i64 3
;;   @008b                               jump block4(v43, v44, v45, v46, v18)  ; v43 = 0, v44 = 1, v45 = 2, v46 = 3, v18 = 4
;;
;;                                   block4(v26: i64, v28: i64, v31: i64, v33: i64, v37: i64):
;;   @008c                               v27 = ireduce.i32 v26
;;   @008e                               v29 = ireduce.i32 v28
;;   @0090                               v30 = imul v27, v29
;;   @0091                               v32 = ireduce.i32 v31
;;   @0093                               v34 = ireduce.i32 v33
;;   @0095                               v35 = imul v32, v34
;;   @0096                               v36 = iadd v30, v35
;;   @0097                               v38 = ireduce.i32 v37
;;   @0099                               v40 = iconst.i32 5
;;   @009b                               v41 = bxor v38, v40  ; v40 = 5
;;   @009c                               v42 = iadd v36, v41
;;   @009d                               jump block1
;;
;;                                   block1:
;;   @009d                               return v42
;;   }
