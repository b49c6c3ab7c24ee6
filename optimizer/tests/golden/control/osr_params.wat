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
;;       region0 = 0 "context"
;;       region1 = 6 "home slots"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       jump block1
;;
;;                                   block2:
;;                                       v2 = iconst.i32 0
;;   @0021                               v5 = f64const 0x1.0000000000000p0
;;   @002a                               v6 = iconst.i32 7
;;   @002c                               jump block4(v5, v6, v2)  ; v5 = 0x1.0000000000000p0, v6 = 7, v2 = 0
;;
;;                                   block1:
;;   @002c                               v11 = load.i32 notrap aligned readonly can_move region1 v1-24
;;   @002c                               v12 = load.f64 notrap aligned readonly can_move region1 v1-32
;;   @002c                               v13 = load.i32 notrap aligned readonly can_move region1 v1-40
;;   @002c                               jump block4(v12, v13, v11)
;;
;;                                   block4(v7: f64, v8: i32, v14: i32):
;;   @0030                               v15 = iadd v8, v14
;;   @0033                               v16 = iconst.i32 1
;;   @0035                               v17 = isub v14, v16  ; v16 = 1
;;   @0038                               brif v17, block4(v7, v15, v17), block6
;;
;;                                   block6:
;;   @003a                               jump block5(v7, v15)
;;
;;                                   block5(v9: f64, v10: i32):
;;   @003b                               jump block3(v9, v10)
;;
;;                                   block3(v3: f64, v4: i32):
;;   @003b                               return v3, v4
;;   }
;; vcode 0 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     jmp     label1
;;   block1:
;;     movl -0x28(%rsi), %eax
;;     movl -0x18(%rsi), %edi
;;     jmp     label2
;;   block2:
;;     movq %rdi, %r10
;;     subl $0x1, %r10d
;;     leal (%rax, %rdi), %eax
;;     testl %r10d, %r10d
;;     jnz     label3; j label4
;;   block3:
;;     movq %r10, %rdi
;;     jmp     label2
;;   block4:
;;     jmp     label5
;;   block5:
;;     jmp     label6
;;   block6:
;;     vmovsd -0x20(%rsi), %xmm0
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
