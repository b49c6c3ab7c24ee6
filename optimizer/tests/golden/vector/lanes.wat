;;! clif 0
;;! clif 2
;;! clif 3
;;! clif 4
(module
  (memory 1)
  (func (export "axpy") (param i32 f32) (param v128) (result v128)
    (f32x4.add (f32x4.mul (v128.load offset=16 (local.get 0)) (f32x4.splat (local.get 1)))
      (local.get 2)))
  (func (export "constants") (param v128) (result v128)
    (i16x8.sub (v128.and (local.get 0) (i8x16.splat (i32.const 15)))
      (v128.const i64x2 0x0102030405060708 0x1112131415161718)))
  (func (export "sum") (param i32) (result i32)
    (local $sum v128) (local $i i32)
    (loop $next
      (local.set $sum (i32x4.add (local.get $sum) (v128.load (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $i) (local.get 0))))
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
      (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum)))))
  (func (export "find") (param i32 i32) (result i32)
    (if (result i32)
      (v128.any_true (i8x16.eq (v128.load (local.get 0)) (i8x16.splat (local.get 1))))
      (then (i32.ctz (i8x16.bitmask (i8x16.eq (v128.load (local.get 0))
        (i8x16.splat (local.get 1))))))
      (else (i32.const -1))))
  (func (export "swap") (param i32 v128) (result v128)
    (v128.store (local.get 0) (i8x16.shuffle 3 2 1 0 7 6 5 4 11 10 9 8 15 14 13 12
      (local.get 1) (local.get 1)))
    (v128.load64_lane 1 (local.get 0) (local.get 1)))
  (func (export "min") (param v128 v128) (result v128)
    (f64x2.min (local.get 0) (local.get 1)))
  (func (export "shift") (param v128 i32) (result v128)
    (i8x16.shr_s (i64x2.shl (local.get 0) (i32.const 3)) (local.get 1)))
  (func (export "call") (param v128) (result v128)
    (i64x2.add (call 0 (i32.const 0) (f32.const 1) (local.get 0)) (local.get 0))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, f32, i8x16) -> i8x16 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32, v2: f32, v3: i8x16):
;;                                       v6 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v4 = uextend.i64 v1
;;   @008b                               v7 = iadd v6, v4
;;   @008b                               v8 = load.i8x16 user32 little region0 v7+16
;;   @0091                               v9 = splat.f32x4 v2
;;   @0091                               v10 = bitcast.i8x16 little v9
;;   @0093                               v11 = bitcast.f32x4 little v8
;;   @0093                               v12 = fmul v11, v9
;;   @0093                               v13 = bitcast.i8x16 little v12
;;   @0098                               v14 = bitcast.f32x4 little v3
;;   @0098                               v15 = fadd v12, v14
;;   @0098                               v16 = bitcast.i8x16 little v15
;;   @009b                               jump block1(v16)
;;
;;                                   block1(v5: i8x16):
;;   @009b                               return v5
;;   }
;; clif 2
;;   function u0:2(i64 vmctx, i32) -> i32 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;       const0 = 0x00000000000000000000000000000000
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v10 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v2 = uextend.i64 v1
;;                                       v21 -> v2
;;                                       v3 = vconst.i8x16 const0
;;                                       v4 = iconst.i32 0
;;                                       v5 = iconst.i64 0
;;   @00c2                               jump block2(v3, v5)  ; v3 = const0, v5 = 0
;;
;;                                   block2(v7: i8x16, v8: i64):
;;   @00c6                               v9 = ireduce.i32 v8
;;   @00c8                               v11 = iadd.i64 v10, v8
;;   @00c8                               v12 = load.i8x16 user32 little region0 v11
;;   @00cc                               v13 = bitcast.i32x4 little v12
;;   @00cc                               v14 = bitcast.i32x4 little v7
;;   @00cc                               v15 = iadd v14, v13
;;   @00cc                               v16 = bitcast.i8x16 little v15
;;   @00d1                               v17 = ireduce.i32 v8
;;   @00d3                               v18 = iconst.i32 16
;;   @00d5                               v19 = iadd v17, v18  ; v18 = 16
;;   @00d6                               v20 = uextend.i64 v19
;;   @00da                               v22 = ireduce.i32 v21
;;   @00dc                               v23 = icmp ult v19, v22
;;   @00dc                               v24 = uextend.i32 v23
;;   @00dd                               brif v24, block2(v16, v20), block4
;;
;;                                   block4:
;;   @00df                               jump block3
;;
;;                                   block3:
;;   @00e2                               v25 = extractlane.i32x4 v15, 0
;;   @00e7                               v26 = extractlane.i32x4 v15, 1
;;   @00ea                               v27 = iadd v25, v26
;;   @00ed                               v28 = extractlane.i32x4 v15, 2
;;   @00f2                               v29 = extractlane.i32x4 v15, 3
;;   @00f5                               v30 = iadd v28, v29
;;   @00f6                               v31 = iadd v27, v30
;;   @00f7                               jump block1(v31)
;;
;;                                   block1(v6: i32):
;;   @00f7                               return v6
;;   }
;; clif 3
;;   function u0:3(i64 vmctx, i32, i32) -> i32 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;                                       v6 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v3 = uextend.i64 v1
;;                                       v4 = uextend.i64 v2
;;   @00fc                               v7 = iadd v6, v3
;;   @00fc                               v8 = load.i8x16 user32 little region0 v7
;;   @0102                               v9 = ireduce.i8 v2
;;   @0102                               v10 = splat.i8x16 v9
;;   @0104                               v11 = icmp eq v8, v10
;;   @0106                               v12 = vany_true v11
;;   @0106                               v13 = uextend.i32 v12
;;   @0108                               brif v13, block2, block3
;;
;;                                   block2:
;;   @010a                               v15 = ireduce.i32 v3
;;   @0110                               v16 = ireduce.i32 v4
;;   @0112                               v17 = ireduce.i8 v16
;;   @0112                               v18 = splat.i8x16 v17
;;   @0114                               v19 = icmp.i8x16 eq v8, v18
;;   @0116                               v20 = vhigh_bits.i32 v19
;;   @0118                               v21 = ctz v20
;;   @0119                               jump block4(v21)
;;
;;                                   block3:
;;   @011a                               v22 = iconst.i32 -1
;;   @011c                               jump block4(v22)  ; v22 = -1
;;
;;                                   block4(v14: i32):
;;   @011d                               jump block1(v14)
;;
;;                                   block1(v5: i32):
;;   @011d                               return v5
;;   }
;; clif 4
;;   function u0:4(i64 vmctx, i32, i8x16) -> i8x16 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32, v2: i8x16):
;;                                       v6 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v3 = uextend.i64 v1
;;   @0126                               v5 = shuffle v2, v2, 0x0c0d0e0f08090a0b0405060700010203
;;   @0138                               v7 = iadd v6, v3
;;   @0138                               store user32 little region0 v5, v7
;;   @0140                               v8 = bitcast.i64x2 little v2
;;   @0140                               v9 = iadd v6, v3
;;   @0140                               v10 = load.i64 user33 little region0 v9
;;   @0140                               v11 = insertlane v8, v10, 1
;;   @0140                               v12 = bitcast.i8x16 little v11
;;   @0145                               jump block1(v12)
;;
;;                                   block1(v4: i8x16):
;;   @0145                               return v4
;;   }
