;;! optimized 0
;;! vcode 0
;;! vcode 1
;;! vcode 2
;;! vcode 3
;;! vcode 4
;;! vcode 5
(module
  (memory i64 1)
  (memory 1)
  (func (param i64) (result i64)
    (i64.add (i64.load offset=8 (local.get 0)) (i64.load offset=16 (local.get 0))))
  (func (param i64) (result i64) (i64.load offset=0x100000000 (local.get 0)))
  (func (param i32) (i32.store (i64.const 16) (local.get 0)))
  (func (param i32) (i32.store (i64.const 0x10000) (local.get 0)))
  (func (param i32) (result i32) (i32.load 1 (local.get 0)))
  (func (param i64) (result i32)
    (i32.store offset=0x100000000 (local.get 0) (i32.const 1))
    (drop (memory.grow (i64.const 1)))
    (i32.store offset=0x100000008 (local.get 0) (i32.const 2))
    (i32.store offset=0x100000008 (local.get 0) (i32.const 3))
    (i32.store (local.get 0) (i32.const 4))
    (if (i32.load offset=4 (local.get 0)) (then (i32.store (local.get 0) (i32.const 5))))
    (i32.load offset=8 (local.get 0)))
)
;; optimized 0
;;   function u0:0(i64 vmctx, i64) -> i64 tail {
;;       region0 = 0 "context"
;;       region1 = 1 "memory"
;;
;;                                   block0(v0: i64, v1: i64):
;;                                       v5 = load.i64 notrap aligned readonly can_move region0 v0
;;   @0035                               v3 = load.i64 notrap aligned region0 v0+8
;;   @0035                               v4 = icmp ugt v1, v3
;;   @0035                               trapnz v4, heap_oob
;;   @0035                               v6 = iadd v5, v1
;;   @0035                               v7 = load.i64 user32 little region1 v6+8
;;   @003a                               v8 = iadd v5, v1
;;   @003a                               v9 = load.i64 user33 little region1 v8+16
;;   @003d                               v10 = iadd v7, v9
;;   @003e                               jump block1
;;
;;                                   block1:
;;   @003e                               return v10
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %r8
;;     cmpq 8(%rdi), %rsi
;;     jnbe #trap=heap_oob
;;     movq 8(%r8, %rsi), %rax
;;     addq 0x10(%r8, %rsi), %rax
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
;;     movq (%rdi), %r8
;;     movq 8(%rdi), %r9
;;     movq %rsi, %r10
;;     addq (%rip), %r10
;;     jb #trap=heap_oob
;;     cmpq %r9, %r10
;;     jnbe #trap=heap_oob
;;     leaq (%r8, %rsi), %r11
;;     movabsq $0x100000000, %rax
;;     movq (%r11, %rax), %rax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 2
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %rdi
;;     movl %esi, 0x10(%rdi)
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 3
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %r8
;;     movq 8(%rdi), %rdi
;;     cmpq $0x10000, %rdi
;;     jb #trap=heap_oob
;;     movl %esi, 0x10000(%r8)
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 4
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq %rsi, %r8
;;     movq 0x30(%rdi), %rsi
;;     movq %r8, %rdi
;;     movl %edi, %edi
;;     movl (%rsi, %rdi), %eax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; vcode 5
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
;;   block0:
;;     movq (%rdi), %r12
;;     movq 8(%rdi), %rcx
;;     movq %rsi, %rdx
;;     addq (%rip), %rdx
;;     jb #trap=heap_oob
;;     cmpq %rcx, %rdx
;;     jnbe #trap=heap_oob
;;     leaq (%r12, %rsi), %rcx
;;     movq %rsi, %r13
;;     movabsq $0x100000000, %rdx
;;     movl $0x1, (%rcx, %rdx)
;;     movl $0x1, %edx
;;     uninit  %rsi
;;     xorl %esi, %esi
;;     load_ext_name userextname0+0, %rcx
;;     movq %rdi, %rbx
;;     call    *%rcx
;;     movq 8(%rbx), %rcx
;;     movq %r13, %rsi
;;     movq %rsi, %rdx
;;     addq (%rip), %rdx
;;     jb #trap=heap_oob
;;     cmpq %rcx, %rdx
;;     jnbe #trap=heap_oob
;;     leaq (%r12, %rsi), %rcx
;;     movabsq $0x100000008, %rax
;;     movl $0x2, (%rcx, %rax)
;;     leaq (%r12, %rsi), %rcx
;;     movabsq $0x100000008, %rax
;;     movl $0x3, (%rcx, %rax)
;;     movl $0x4, (%r12, %rsi)
;;     movl 4(%r12, %rsi), %eax
;;     testl %eax, %eax
;;     jnz     label2; j label1
;;   block1:
;;     jmp     label3
;;   block2:
;;     movl $0x5, (%r12, %rsi)
;;     jmp     label3
;;   block3:
;;     cmpq 8(%rbx), %rsi
;;     jnbe #trap=heap_oob
;;     movl 8(%r12, %rsi), %eax
;;     jmp     label4
;;   block4:
;;     movq (%rsp), %rbx
;;     movq 8(%rsp), %r12
;;     movq 0x10(%rsp), %r13
;;     addq $0x20, %rsp
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
