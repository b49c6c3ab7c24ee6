;;! clif 0
;;! vcode 0
;;; Clauses of nested regions; what none fits is thrown on.
(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (tag $a (param i32 f64))
  (tag $b)
  (func (param i32) (result i32)
    (block $all (result exnref)
      (block $none
        (block $values (result i32 f64)
          (try_table (catch $a $values)
            (drop (try_table (result i32) (catch $b $none) (catch_all_ref $all)
              (call $f (local.get 0)))))
          (return (call $f (i32.const 1))))
        (drop)
        (return))
      (return (i32.const 2)))
    (throw_ref)))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 4 "slot"
;;       region2 = 41 "exception"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64 vmctx, i32) -> i32 tail
;;       sig1 = (i64, i64) system_v
;;       fn0 = u1:21 sig1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @004c                               v8 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @004c                               v9 = load.i64 notrap aligned readonly can_move region0 v0+56
;;   @004c                               v10 = load.i64 notrap aligned region1 v8
;;   @004c                               try_call_indirect v10(v9, v1), sig0, block8(ret0), [ default: block7(exn0) ]
;;
;;                                   block8(v12: i32):
;;   @004e                               jump block6(v12)
;;
;;                                   block7(v11: i64) cold:
;;   @004e                               v13 = load.i64 notrap aligned region2 v11
;;   @004e                               v14 = load.i64 notrap aligned readonly can_move region0 v0+72
;;   @004e                               v15 = icmp eq v13, v14
;;   @004e                               brif v15, block9, block10
;;
;;                                   block9 cold:
;;   @004e                               jump block3
;;
;;                                   block10 cold:
;;   @004e                               jump block2(v11)
;;
;;                                   block6(v7: i32):
;;   @0051                               v16 = iconst.i32 1
;;   @0053                               v17 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @0053                               v18 = load.i64 notrap aligned readonly can_move region0 v0+56
;;   @0053                               v19 = load.i64 notrap aligned region1 v17
;;   @0053                               v20 = call_indirect sig0, v19(v18, v16)  ; v16 = 1
;;   @0055                               return v20
;;
;;                                   block3 cold:
;;   @005a                               v21 = iconst.i32 2
;;   @005c                               return v21  ; v21 = 2
;;
;;                                   block2(v4: i64) cold:
;;   @005e                               trapz v4, user12
;;   @005e                               call fn0(v0, v4)
;;   @005e                               trap user1
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     movq 0x10(%rdi), %r10
;;     movq (%r10), %r10
;;     addq $0x50, %r10
;;     cmpq %rsp, %r10
;;     jnbe #trap=stk_ovf
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 48 }
;;     subq $0x40, %rsp
;;     movq %rbx, 0x10(%rsp)
;;     unwind SaveReg { clobber_offset: 0, reg: p3i }
;;     movq %r12, 0x18(%rsp)
;;     unwind SaveReg { clobber_offset: 8, reg: p12i }
;;     movq %r13, 0x20(%rsp)
;;     unwind SaveReg { clobber_offset: 16, reg: p13i }
;;     movq %r14, 0x28(%rsp)
;;     unwind SaveReg { clobber_offset: 24, reg: p14i }
;;     movq %r15, 0x30(%rsp)
;;     unwind SaveReg { clobber_offset: 32, reg: p15i }
;;   block0:
;;     movq 0x30(%rdi), %rax
;;     movq %rdi, %rcx
;;     movq 0x38(%rcx), %rdi
;;     movq %rcx, <offset:1>+(%rsp)
;;     movq (%rax), %rax
;;     call    *%rax; jmp MachLabel(1); catch [default: MachLabel(3)]
;;   block1:
;;     jmp     label2
;;   block2:
;;     movl $0x1, %esi
;;     movq <offset:1>+(%rsp), %rdi
;;     movq 0x30(%rdi), %rax
;;     movq 0x38(%rdi), %rdi
;;     movq (%rax), %rax
;;     call    *%rax
;;     movq 0x10(%rsp), %rbx
;;     movq 0x18(%rsp), %r12
;;     movq 0x20(%rsp), %r13
;;     movq 0x28(%rsp), %r14
;;     movq 0x30(%rsp), %r15
;;     addq $0x40, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block3:
;;     movq <offset:1>+(%rsp), %rdi
;;     movq (%rax), %rcx
;;     movq 0x48(%rdi), %rdx
;;     cmpq %rdx, %rcx
;;     jz      label6; j label4
;;   block4:
;;     jmp     label5
;;   block5:
;;     movq %rax, %rsi
;;     testq %rsi, %rsi
;;     jz #trap=user12
;;     load_ext_name userextname0+0, %rax
;;     call    *%rax
;;     ud2
;;   block6:
;;     jmp     label7
;;   block7:
;;     movl $0x2, %eax
;;     movq 0x10(%rsp), %rbx
;;     movq 0x18(%rsp), %r12
;;     movq 0x20(%rsp), %r13
;;     movq 0x28(%rsp), %r14
;;     movq 0x30(%rsp), %r15
;;     addq $0x40, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
