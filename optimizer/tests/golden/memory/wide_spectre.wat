;;@ spectre
;;! vcode 0
;;! vcode 1
(module
  (memory i64 1)
  (func (param i64) (result i64) (i64.load offset=8 (local.get 0)))
  (func (param i64) (result i64) (i64.load offset=0x100000000 (local.get 0)))
)
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %r10
;;     movq 8(%rdi), %r9
;;     cmpq %r9, %rsi
;;     jnbe #trap=heap_oob
;;     leaq 8(%r10, %rsi), %r8
;;     uninit  %r11
;;     xorq %r11, %r11
;;     cmpq %r9, %rsi
;;     cmovaq %r11, %r8
;;     movq (%r8), %rax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 1
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %rax
;;     movq 8(%rdi), %rcx
;;     movq %rsi, %rdi
;;     addq (%rip), %rdi
;;     setb %dl
;;     cmpq %rcx, %rdi
;;     seta %cl
;;     orl %edx, %ecx
;;     testb %cl, %cl
;;     jnz #trap=heap_oob
;;     leaq (%rax, %rsi), %rax
;;     movabsq $0x100000000, %rdx
;;     leaq (%rax, %rdx), %rax
;;     uninit  %rdx
;;     xorq %rdx, %rdx
;;     testb %cl, %cl
;;     cmovneq %rdx, %rax
;;     movq (%rax), %rax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
