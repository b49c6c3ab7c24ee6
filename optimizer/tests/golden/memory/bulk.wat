;;! clif 0
;;! vcode 0
(module
  (memory 1)
  (func (param i32 i32 i32) (result i32)
    (memory.copy (local.get 0) (local.get 1) (local.get 2))
    (memory.grow (memory.size))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i32, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64, i64, i64, i64, i64) -> i32 system_v
;;       sig1 = (i64, i32, i32, i64, i64, i64) -> i32 system_v
;;       sig2 = (i64, i32, i64) -> i64 system_v
;;       fn0 = u1:8 sig0
;;       fn1 = u1:6 sig1
;;       fn2 = u1:5 sig2
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32, v2: i32, v3: i32):
;;                                       v4 = uextend.i64 v1
;;                                       v5 = uextend.i64 v2
;;                                       v6 = uextend.i64 v3
;;   @0026                               v8 = iconst.i64 0
;;   @0026                               v9 = iadd v0, v8  ; v8 = 0
;;   <0> @0026                           v10 = call fn0(v0, v9, v4, v5, v6)
;;   @0026                               brif v10, block2, block3
;;
;;                                   block2 cold:
;;   @0026                               v11 = iconst.i32 0
;;   @0026                               v12 = iconst.i32 0
;;   @0026                               v13 = call fn1(v0, v11, v12, v4, v5, v6)  ; v11 = 0, v12 = 0
;;   @0026                               trapnz v13, heap_oob
;;   @0026                               jump block3
;;
;;                                   block3:
;;   @002a                               v14 = load.i64 notrap aligned region0 v0+8
;;   @002a                               v15 = iconst.i64 16
;;   @002a                               v16 = ushr v14, v15  ; v15 = 16
;;   @002a                               v17 = ireduce.i32 v16
;;   @002c                               v18 = iconst.i32 0
;;   @002c                               v19 = uextend.i64 v17
;;   @002c                               v20 = call fn2(v0, v18, v19)  ; v18 = 0
;;   @002c                               v21 = ireduce.i32 v20
;;   @002e                               jump block1(v21)
;;
;;                                   block1(v7: i32):
;;   @002e                               return v7
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     movq 0x10(%rdi), %r10
;;     movq (%r10), %r10
;;     addq $0x30, %r10
;;     cmpq %rsp, %r10
;;     jnbe #trap=stk_ovf
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 32 }
;;     subq $0x20, %rsp
;;     movq %rbx, (%rsp)
;;     unwind SaveReg { clobber_offset: 0, reg: p3i }
;;     movq %r12, 8(%rsp)
;;     unwind SaveReg { clobber_offset: 8, reg: p12i }
;;     movq %r13, 0x10(%rsp)
;;     unwind SaveReg { clobber_offset: 16, reg: p13i }
;;     movq %r14, 0x18(%rsp)
;;     unwind SaveReg { clobber_offset: 24, reg: p14i }
;;   block0:
;;     movl %esi, %eax
;;     movq %rax, %r13
;;     movl %edx, %r8d
;;     movq %r8, %r14
;;     movl %ecx, %ebx
;;     leaq (%rdi), %rsi
;;     load_ext_name userextname0+0, %r9
;;     ; ^-- debug @ Pre: [User(0)]
;;     movq %rdi, %r12
;;     movq %r14, %rcx
;;     movq %r13, %rdx
;;     movq %rbx, %r8
;;     call    *%r9
;;     ; ^-- debug @ Post: [User(0)]
;;     movq %rbx, %r9
;;     testl %eax, %eax
;;     jnz     label2; j label1
;;   block1:
;;     jmp     label3
;;   block3:
;;     movq 8(%r12), %rcx
;;     shrq $0x10, %rcx
;;     uninit  %rsi
;;     xorl %esi, %esi
;;     movl %ecx, %edx
;;     load_ext_name userextname2+0, %rax
;;     movq %r12, %rdi
;;     call    *%rax
;;     jmp     label4
;;   block4:
;;     movq (%rsp), %rbx
;;     movq 8(%rsp), %r12
;;     movq 0x10(%rsp), %r13
;;     movq 0x18(%rsp), %r14
;;     addq $0x20, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block2:
;;     uninit  %rsi
;;     xorl %esi, %esi
;;     uninit  %rdx
;;     xorl %edx, %edx
;;     load_ext_name userextname1+0, %rax
;;     movq %r13, %rcx
;;     movq %r14, %r8
;;     movq %r12, %rdi
;;     call    *%rax
;;     testl %eax, %eax
;;     jnz #trap=heap_oob
;;     jmp     label3
