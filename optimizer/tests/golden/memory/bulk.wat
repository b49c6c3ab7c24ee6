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
;;       sig0 = (i64, i32, i32, i64, i64, i64) -> i32 system_v
;;       sig1 = (i64, i32, i64) -> i64 system_v
;;       fn0 = u1:4 sig0
;;       fn1 = u1:3 sig1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32, v2: i32, v3: i32):
;;                                       v4 = uextend.i64 v1
;;                                       v5 = uextend.i64 v2
;;                                       v6 = uextend.i64 v3
;;   @0026                               v8 = iconst.i32 0
;;   @0026                               v9 = iconst.i32 0
;;   @0026                               v10 = call fn0(v0, v8, v9, v4, v5, v6)  ; v8 = 0, v9 = 0
;;   @0026                               trapnz v10, heap_oob
;;   @002a                               v11 = load.i64 notrap aligned region0 v0+8
;;   @002a                               v12 = iconst.i64 16
;;   @002a                               v13 = ushr v11, v12  ; v12 = 16
;;   @002a                               v14 = ireduce.i32 v13
;;   @002c                               v15 = iconst.i32 0
;;   @002c                               v16 = uextend.i64 v14
;;   @002c                               v17 = call fn1(v0, v15, v16)  ; v15 = 0
;;   @002c                               v18 = ireduce.i32 v17
;;   @002e                               jump block1(v18)
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
;;     addq $0x20, %r10
;;     cmpq %rsp, %r10
;;     jnbe #trap=stk_ovf
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 16 }
;;     subq $0x10, %rsp
;;     movq %rbx, (%rsp)
;;     unwind SaveReg { clobber_offset: 0, reg: p3i }
;;   block0:
;;     movl %esi, %eax
;;     movl %edx, %r8d
;;     movl %ecx, %r9d
;;     uninit  %rsi
;;     xorl %esi, %esi
;;     uninit  %rdx
;;     xorl %edx, %edx
;;     load_ext_name userextname0+0, %r10
;;     movq %rax, %rcx
;;     movq %rdi, %rbx
;;     call    *%r10
;;     testl %eax, %eax
;;     jnz #trap=heap_oob
;;     movq 8(%rbx), %rcx
;;     shrq $0x10, %rcx
;;     uninit  %rsi
;;     xorl %esi, %esi
;;     movl %ecx, %edx
;;     load_ext_name userextname1+0, %rax
;;     movq %rbx, %rdi
;;     call    *%rax
;;     jmp     label1
;;   block1:
;;     movq (%rsp), %rbx
;;     addq $0x10, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
