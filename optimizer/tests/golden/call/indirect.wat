;;! clif 0
;;! vcode 0
(module
  (type $t (func (param i32) (result i32)))
  (table 3 3 funcref)
  (func (param i32 i32) (result i32) (call_indirect (type $t) (local.get 0) (local.get 1))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 2 "table"
;;       region2 = 3 "funcref"
;;       region3 = 4 "slot"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       sig0 = (i64 vmctx, i32) -> i32 tail
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;   @002a                               v4 = iconst.i64 3
;;   @002a                               v5 = load.i64 notrap aligned readonly can_move region0 v0+32
;;   @002a                               v6 = uextend.i64 v2
;;   @002a                               v7 = icmp uge v6, v4  ; v4 = 3
;;   @002a                               trapnz v7, user4
;;   @002a                               v8 = iconst.i64 3
;;   @002a                               v9 = ishl v6, v8  ; v8 = 3
;;   @002a                               v10 = iadd v5, v9
;;   @002a                               v11 = select_spectre_guard v7, v5, v10
;;   @002a                               v12 = load.i64 notrap aligned region1 v11
;;   @002a                               trapz v12, user5
;;   @002a                               v13 = load.i32 notrap aligned readonly region2 v12+16
;;   @002a                               v14 = iconst.i32 100
;;   @002a                               v15 = icmp ne v13, v14  ; v14 = 100
;;   @002a                               trapnz v15, user6
;;   @002a                               v16 = load.i64 notrap aligned readonly region2 v12
;;   @002a                               v17 = load.i64 notrap aligned readonly region2 v12+8
;;   @002a                               v18 = load.i64 notrap aligned region3 v16
;;   @002a                               v19 = call_indirect sig0, v18(v17, v1)
;;   @002d                               jump block1(v19)
;;
;;                                   block1(v3: i32):
;;   @002d                               return v3
;;   }
;; vcode 0
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
;;     movl %edx, %eax
;;     cmpq $0x3, %rax
;;     jnb #trap=user4
;;     movq 0x20(%rdi), %rcx
;;     leaq (%rcx, %rax, 8), %rdx
;;     cmpq $0x3, %rax
;;     cmovaeq %rcx, %rdx
;;     movq (%rdx), %rax
;;     testq %rax, %rax
;;     jz #trap=user5
;;     movl 0x10(%rax), %ecx
;;     cmpl $0x64, %ecx
;;     jnz #trap=user6
;;     movq (%rax), %rcx
;;     movq 8(%rax), %rdi
;;     movq (%rcx), %rax
;;     call    *%rax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
