;;! vcode 1
;;! vcode 2
;;! vcode 3
(module
  (func $cold (param i32) (result i32)
    (call $cold (local.get 0)) (return_call $cold))
  (func (param i32 i32) (result i32)
    (@metadata.code.branch_hint "\00")
    (if (local.get 0)
      (then (if (local.get 1) (then (local.set 1 (call $cold (local.get 1)))))))
    (i32.add (local.get 1) (i32.const 1)))
  (func (param i32 i32) (result i32)
    (@metadata.code.branch_hint "\01")
    (if (result i32) (local.get 0)
      (then (i32.const 1))
      (else (call $cold (local.get 1)))))
  (func (param i32 i32) (result i32)
    (block $rare
      (loop $again
        (block $next
          (@metadata.code.branch_hint "\01")
          (br_if $next (i32.and (local.get 0) (i32.const 7)))
          (local.set 1 (call $cold (local.get 1))))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (@metadata.code.branch_hint "\01")
        (br_if $again (local.get 0)))
      (@metadata.code.branch_hint "\00")
      (br_if $rare (local.get 1))
      (return (i32.const 5)))
    (call $cold (i32.const 3)))
)
;; vcode 1
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     movq 0x10(%rdi), %r10
;;     movq (%r10), %r10
;;     addq $0x10, %r10
;;     cmpq %rsp, %r10
;;     jnbe #trap=stk_ovf
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movl %edx, %r8d
;;     testl %esi, %esi
;;     jnz     label2; j label1
;;   block1:
;;     movq %r8, %rsi
;;     jmp     label6
;;   block6:
;;     leal 1(%rsi), %eax
;;     jmp     label7
;;   block7:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block2:
;;     movq %r8, %rsi
;;     testl %esi, %esi
;;     jnz     label4; j label3
;;   block3:
;;     jmp     label5
;;   block4:
;;     load_ext_name userextname0+0, %rax
;;     call    *%rax
;;     movl %eax, %esi
;;     jmp     label5
;;   block5:
;;     jmp     label6
;; vcode 2
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     movq 0x10(%rdi), %r10
;;     movq (%r10), %r10
;;     addq $0x10, %r10
;;     cmpq %rsp, %r10
;;     jnbe #trap=stk_ovf
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movl %edx, %r9d
;;     testl %esi, %esi
;;     jnz     label2; j label1
;;   block2:
;;     movl $0x1, %eax
;;     jmp     label3
;;   block3:
;;     jmp     label4
;;   block4:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block1:
;;     load_ext_name userextname0+0, %r11
;;     movq %r9, %rsi
;;     call    *%r11
;;     jmp     label3
;; vcode 3
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
;;     movq %r12, 8(%rsp)
;;     unwind SaveReg { clobber_offset: 8, reg: p12i }
;;   block0:
;;     movq %rdi, %rbx
;;     movl %esi, %r12d
;;     movl %edx, %esi
;;     jmp     label1
;;   block1:
;;     testl $0x7, %r12d
;;     jnz     label2; j label3
;;   block2:
;;     jmp     label4
;;   block4:
;;     subl $0x1, %r12d
;;     testl %r12d, %r12d
;;     jnz     label5; j label6
;;   block5:
;;     jmp     label1
;;   block7:
;;     testl %esi, %esi
;;     jnz     label9; j label8
;;   block8:
;;     movl $0x5, %eax
;;     movq (%rsp), %rbx
;;     movq 8(%rsp), %r12
;;     addq $0x10, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;;   block3:
;;     load_ext_name userextname0+0, %rcx
;;     movq %rbx, %rdi
;;     call    *%rcx
;;     movl %eax, %esi
;;     jmp     label4
;;   block6:
;;     jmp     label7
;;   block9:
;;     movl $0x3, %esi
;;     load_ext_name userextname0+0, %rax
;;     movq %rbx, %rdi
;;     call    *%rax
;;     jmp     label10
;;   block10:
;;     movq (%rsp), %rbx
;;     movq 8(%rsp), %r12
;;     addq $0x10, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
