;;@ no-inline
;;! vcode 0
(module
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else
        (i32.add
          (call $fib (i32.sub (local.get 0) (i32.const 1)))
          (call $fib (i32.sub (local.get 0) (i32.const 2))))))))
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
;;     movq %r14, 0x10(%rsp)
;;     unwind SaveReg { clobber_offset: 16, reg: p14i }
;;   block0:
;;     movq %rdi, %r14
;;     movl %esi, %edi
;;     cmpl $0x2, %esi
;;     jl      label2; j label1
;;   block1:
;;     movq %rdi, %rsi
;;     subl $0x1, %esi
;;     movq %rdi, %r12
;;     movq %r14, %rdi
;;     call    User(userextname0)
;;     movq %rax, %rbx
;;     movq %r12, %rsi
;;     subl $0x2, %esi
;;     movq %r14, %rdi
;;     call    User(userextname0)
;;     movq %rbx, %rcx
;;     leal (%rcx, %rax), %eax
;;     jmp     label3
;;   block2:
;;     movq %rdi, %rsi
;;     movq %rsi, %rax
;;     jmp     label3
;;   block3:
;;     jmp     label4
;;   block4:
;;     movq (%rsp), %rbx
;;     movq 8(%rsp), %r12
;;     movq 0x10(%rsp), %r14
;;     addq $0x20, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
