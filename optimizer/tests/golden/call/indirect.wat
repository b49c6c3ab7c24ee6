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
;;                                       v3 = uextend.i64 v1
;;                                       v4 = uextend.i64 v2
;;   @002a                               v6 = iconst.i64 3
;;   @002a                               v7 = load.i64 notrap aligned readonly can_move region0 v0+48
;;   @002a                               v8 = icmp uge v4, v6  ; v6 = 3
;;   @002a                               trapnz v8, user4
;;   @002a                               v9 = iconst.i64 3
;;   @002a                               v10 = ishl v4, v9  ; v9 = 3
;;   @002a                               v11 = iadd v7, v10
;;   @002a                               v12 = select_spectre_guard v8, v7, v11
;;   @002a                               v13 = load.i64 notrap aligned region1 v12
;;   @002a                               trapz v13, user5
;;   @002a                               v14 = load.i32 notrap aligned readonly region2 v13+16
;;   @002a                               v15 = iconst.i32 100
;;   @002a                               v16 = icmp ne v14, v15  ; v15 = 100
;;   @002a                               trapnz v16, user6
;;   @002a                               v17 = load.i64 notrap aligned readonly region2 v13
;;   @002a                               v18 = load.i64 notrap aligned readonly region2 v13+8
;;   @002a                               v19 = load.i64 notrap aligned region3 v17
;;   @002a                               v20 = call_indirect sig0, v19(v18, v1)
;;   @002d                               jump block1(v20)
;;
;;                                   block1(v5: i32):
;;   @002d                               return v5
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
;;     movl %edx, %ecx
;;     movq 0x30(%rdi), %rax
;;     cmpq $0x3, %rcx
;;     jnb #trap=user4
;;     leaq (%rax, %rcx, 8), %rdx
;;     cmpq $0x3, %rcx
;;     cmovaeq %rax, %rdx
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
