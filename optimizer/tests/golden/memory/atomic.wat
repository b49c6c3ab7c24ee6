;;! clif 0
;;! vcode 0
;;! vcode 1
;;! vcode 2
(module
  (memory 1)
  (; Nothing is known to be in memory behind an atomic access or a fence. ;)
  (func (param i32 i32) (result i32)
    (i32.store (local.get 0) (i32.const 1))
    (i32.atomic.load offset=6 (local.get 1))
    (i32.load (local.get 0))
    (i32.add)
    (atomic.fence)
    (i32.load (local.get 0))
    (i32.add))
  (func (param i32 i64) (result i64)
    (i64.atomic.store32 (local.get 0) (local.get 1))
    (drop (i64.atomic.rmw8.or_u (local.get 0) (local.get 1)))
    (i64.atomic.rmw16.and_u (local.get 0) (local.get 1)))
  (func (param i32 i32 i32) (result i32)
    (drop (memory.atomic.notify offset=4 (local.get 0) (i32.const 1)))
    (i32.atomic.rmw8.cmpxchg_u (local.get 0) (local.get 1) (local.get 2))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i32) -> i32 tail {
;;       ss0 = explicit_slot 4, align = 16
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;       region2 = 7 "results"
;;
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;                                       v7 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v3 = uextend.i64 v1
;;                                       v4 = uextend.i64 v2
;;   @0030                               v6 = iconst.i32 1
;;   @0032                               v8 = iadd v7, v3
;;   @0032                               store user32 little region0 v6, v8  ; v6 = 1
;;   @0037                               v9 = iconst.i64 2
;;   @0037                               v10 = iadd v4, v9  ; v9 = 2
;;   @0037                               v11 = iconst.i64 3
;;   @0037                               v12 = band v10, v11  ; v11 = 3
;;   @0037                               trapnz v12, user14
;;   @0037                               v13 = iadd v7, v4
;;   @0037                               v14 = iconst.i64 6
;;   @0037                               v15 = iadd v13, v14  ; v14 = 6
;;   @0037                               v16 = atomic_load.i32 user33 little region0 v15
;;   @003d                               v17 = iadd v7, v3
;;   @003d                               v18 = load.i32 user34 little region0 v17
;;   @0040                               v19 = iadd v16, v18
;;   @0041                               v20 = stack_addr.i64 ss0
;;   @0041                               v21 = iconst.i32 0
;;   @0041                               v22 = atomic_rmw.i32 or v20, v21  ; v21 = 0
;;   @0046                               v23 = iadd v7, v3
;;   @0046                               v24 = load.i32 user35 little region0 v23
;;   @0049                               v25 = iadd v19, v24
;;   @004a                               jump block1(v25)
;;
;;                                   block1(v5: i32):
;;   @004a                               return v5
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;     subq $0x10, %rsp
;;   block0:
;;     movq (%rdi), %rdi
;;     movl %esi, %ecx
;;     movl %edx, %eax
;;     movl $0x1, (%rdi, %rcx)
;;     leaq 2(%rax), %rdx
;;     testq $0x3, %rdx
;;     jnz #trap=user14
;;     movl 6(%rdi, %rax), %eax
;;     addl (%rdi, %rcx), %eax
;;     uninit  %rdx
;;     xorl %edx, %edx
;;     lock orl %edx, <offset:1>+(%rsp)
;;     addl (%rdi, %rcx), %eax
;;     jmp     label1
;;   block1:
;;     addq $0x10, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 1
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %r11
;;     movl %esi, %esi
;;     testq $0x3, %rsi
;;     jnz #trap=user14
;;     movq %rdx, %rcx
;;     xchgl %ecx, (%r11, %rsi)
;;     atomically { 8_bits_at_[%r9] Or= %r10; %rax = old_value_at_[%r9]; %r11, %rflags = trash }
;;     testq $0x1, %rsi
;;     jnz #trap=user14
;;     atomically { 16_bits_at_[%r9] And= %r10; %rax = old_value_at_[%r9]; %r11, %rflags = trash }
;;     movzwq %ax, %rax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 2
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
;;     movq %r14, 0x10(%rsp)
;;     unwind SaveReg { clobber_offset: 16, reg: p14i }
;;     movq %r15, 0x18(%rsp)
;;     unwind SaveReg { clobber_offset: 24, reg: p15i }
;;   block0:
;;     movq %rcx, %rbx
;;     movq %rdx, %r12
;;     movq (%rdi), %r15
;;     movl %esi, %r14d
;;     movl $0x1, %r8d
;;     uninit  %rsi
;;     xorl %esi, %esi
;;     movl $0x4, %edx
;;     load_ext_name userextname0+0, %r9
;;     movq %r14, %rcx
;;     call    *%r9
;;     movq %r12, %rax
;;     movq %rbx, %rcx
;;     lock cmpxchgb %cl, (%r15, %r14) ;; implicit: %al
;;     movzbl %al, %eax
;;     jmp     label1
;;   block1:
;;     movq (%rsp), %rbx
;;     movq 8(%rsp), %r12
;;     movq 0x10(%rsp), %r14
;;     movq 0x18(%rsp), %r15
;;     addq $0x20, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
