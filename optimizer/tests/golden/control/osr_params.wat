;;! clif 0 0
;;! vcode 0 0
(module
  (func (param $n i32) (result f64 i32)
    (f64.const 1)
    (i32.const 7)
    (loop (param f64 i32) (result f64 i32)
      (local.get $n)
      (i32.add)
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
;; clif 0 0
;;   function u0:0(i64 vmctx, i64) -> f64, i32 tail {
;;       region0 = 6 "home slots"
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block2:
;;                                       v2 = iconst.i32 0
;;                                       v3 = iconst.i64 0
;;   @0021                               v6 = f64const 0x1.0000000000000p0
;;   @002a                               v7 = iconst.i32 7
;;   @002c                               jump block4(v6, v7, v3)  ; v6 = 0x1.0000000000000p0, v7 = 7, v3 = 0
;;
;;                                   block1:
;;   @002c                               v12 = uload32.i64 notrap aligned readonly can_move region0 v1-24
;;   @002c                               v13 = load.f64 notrap aligned readonly can_move region0 v1-32
;;   @002c                               v14 = load.i32 notrap aligned readonly can_move region0 v1-40
;;   @002c                               jump block4(v13, v14, v12)
;;
;;                                   block4(v8: f64, v9: i32, v15: i64):
;;   @002e                               v16 = ireduce.i32 v15
;;   @0030                               v17 = iadd v9, v16
;;   @0031                               v18 = ireduce.i32 v15
;;   @0033                               v19 = iconst.i32 1
;;   @0035                               v20 = isub v18, v19  ; v19 = 1
;;   @0036                               v21 = uextend.i64 v20
;;   @0038                               brif v20, block4(v8, v17, v21), block6
;;
;;                                   block6:
;;   @003a                               jump block5(v8, v17)
;;
;;                                   block5(v10: f64, v11: i32):
;;   @003b                               jump block3(v10, v11)
;;
;;                                   block3(v4: f64, v5: i32):
;;   @003b                               return v4, v5
;;   }
;; vcode 0 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     jmp     label1
;;   block1:
;;     movq %rsi, %r11
;;     movl -0x18(%r11), %esi
;;     vmovsd -0x20(%r11), %xmm0
;;     movl -0x28(%r11), %eax
;;     jmp     label2
;;   block2:
;;     leal (%rax, %rsi), %eax
;;     subl $0x1, %esi
;;     testl %esi, %esi
;;     jnz     label3; j label4
;;   block3:
;;     jmp     label2
;;   block4:
;;     jmp     label5
;;   block5:
;;     jmp     label6
;;   block6:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
