;;@ epochs
;;! clif 0
;;! vcode 0
;;! vcode 0 0
;;! optimized 1
(module
  (global $g (mut i32) (i32.const 0))
  (func $loop (param $n i32) (param $sum i32) (result i32)
    (loop
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func $reads (param $n i32) (result i32)
    (global.set $g (i32.const 3))
    (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (global.get $g)))))
    (i32.add (global.get $g) (global.get $g))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 43 "epoch"
;;       sig0 = (i64) preserve_all
;;       fn0 = u1:1 sig0
;;
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;                                       v3 = uextend.i64 v1
;;                                       v27 -> v3
;;                                       v4 = uextend.i64 v2
;;                                       v26 -> v4
;;   @0027                               v6 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @0027                               v7 = atomic_load.i64 notrap aligned region1 v6
;;   @0027                               v8 = load.i64 notrap aligned region1 v0+40
;;   @0027                               v9 = icmp uge v7, v8
;;   @0027                               brif v9, block2, block3
;;
;;                                   block2 cold:
;;   @0027                               call fn0(v0)
;;   @0027                               jump block3
;;
;;                                   block3:
;;   @0028                               jump block4(v4, v3)
;;
;;                                   block4(v15: i64, v18: i64):
;;                                       v14 -> v15
;;                                       v17 -> v18
;;   @0028                               v10 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @0028                               v11 = atomic_load.i64 notrap aligned region1 v10
;;   @0028                               v12 = load.i64 notrap aligned region1 v0+40
;;   @0028                               v13 = icmp uge v11, v12
;;   @0028                               brif v13, block6, block7
;;
;;                                   block6 cold:
;;   @0028                               call fn0(v0)
;;   @0028                               jump block7
;;
;;                                   block7:
;;   @002a                               v16 = ireduce.i32 v15
;;   @002c                               v19 = ireduce.i32 v18
;;   @002e                               v20 = iadd v16, v19
;;   @002f                               v21 = uextend.i64 v20
;;   @0031                               v22 = ireduce.i32 v17
;;   @0033                               v23 = iconst.i32 1
;;   @0035                               v24 = isub v22, v23  ; v23 = 1
;;   @0036                               v25 = uextend.i64 v24
;;   @0038                               brif v24, block4(v21, v25), block8
;;
;;                                   block8:
;;   @003a                               jump block5
;;
;;                                   block5:
;;   @003b                               v28 = ireduce.i32 v21
;;   @003d                               jump block1(v28)
;;
;;                                   block1(v5: i32):
;;   @003d                               return v5
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movl %esi, %esi
;;     movl %edx, %eax
;;     movq 0x20(%rdi), %rcx
;;     movq (%rcx), %rcx
;;     movq 0x28(%rdi), %rdx
;;     cmpq %rdx, %rcx
;;     jnb     label2; j label1
;;   block1:
;;     jmp     label3
;;   block3:
;;     jmp     label4
;;   block4:
;;     movq 0x20(%rdi), %rcx
;;     movq (%rcx), %rcx
;;     movq 0x28(%rdi), %rdx
;;     cmpq %rdx, %rcx
;;     jnb     label6; j label5
;;   block5:
;;     jmp     label7
;;   block7:
;;     leal (%rax, %rsi), %eax
;;     subl $0x1, %esi
;;     testl %esi, %esi
;;     jnz     label8; j label9
;;   block8:
;;     jmp     label4
;;   block9:
;;     jmp     label10
;;   block10:
;;     jmp     label11
;;   block11:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block2:
;;     load_ext_name userextname0+0, %rcx
;;     call    *%rcx
;;     jmp     label3
;;   block6:
;;     load_ext_name userextname0+0, %rcx
;;     call    *%rcx
;;     jmp     label7
;; vcode 0 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     jmp     label1
;;   block1:
;;     movl -0x18(%rsi), %r8d
;;     movl -0x20(%rsi), %eax
;;     jmp     label2
;;   block2:
;;     movq 0x20(%rdi), %rcx
;;     movq (%rcx), %rcx
;;     movq 0x28(%rdi), %rdx
;;     cmpq %rdx, %rcx
;;     jnb     label4; j label3
;;   block3:
;;     jmp     label5
;;   block5:
;;     leal (%rax, %r8), %eax
;;     subl $0x1, %r8d
;;     testl %r8d, %r8d
;;     jnz     label6; j label7
;;   block6:
;;     jmp     label2
;;   block7:
;;     jmp     label8
;;   block8:
;;     jmp     label9
;;   block9:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block4:
;;     load_ext_name userextname0+0, %rcx
;;     call    *%rcx
;;     jmp     label5
;; optimized 1
;;   function u0:1(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 43 "epoch"
;;       region2 = 8 "global"
;;       sig0 = (i64) preserve_all
;;       fn0 = u1:1 sig0
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @003f                               v4 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @003f                               v5 = atomic_load.i64 notrap aligned region1 v4
;;   @003f                               v6 = load.i64 notrap aligned region1 v0+40
;;   @003f                               v7 = icmp uge v5, v6
;;   @003f                               brif v7, block2, block3
;;
;;                                   block2 cold:
;;   @003f                               call fn0(v0)
;;   @003f                               jump block3
;;
;;                                   block3:
;;   @0040                               v8 = iconst.i32 3
;;   @0042                               store notrap aligned region2 v8, v0+48  ; v8 = 3
;;   @0044                               jump block4(v2)
;;
;;                                   block4(v14: i64):
;;   @0044                               v9 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @0044                               v10 = atomic_load.i64 notrap aligned region1 v9
;;   @0044                               v11 = load.i64 notrap aligned region1 v0+40
;;   @0044                               v12 = icmp uge v10, v11
;;   @0044                               brif v12, block6, block7
;;
;;                                   block6 cold:
;;   @0044                               call fn0(v0)
;;   @0044                               jump block7
;;
;;                                   block7:
;;   @0046                               v15 = ireduce.i32 v14
;;   @0048                               v16 = load.i32 notrap aligned region2 v0+48
;;   @004a                               v17 = isub v15, v16
;;   @004b                               v18 = uextend.i64 v17
;;   @004d                               brif v17, block4(v18), block8
;;
;;                                   block8:
;;   @004f                               jump block5
;;
;;                                   block5:
;;   @0050                               v20 = load.i32 notrap aligned region2 v0+48
;;   @0054                               v21 = iadd v20, v20
;;   @0055                               jump block1
;;
;;                                   block1:
;;   @0055                               return v21
;;   }
