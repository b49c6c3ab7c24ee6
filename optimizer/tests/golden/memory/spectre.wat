;;@ explicit spectre
;;! clif 0
;;! vcode 0
(module
  (memory 1)
  (func (param i32) (result i32) (i32.load offset=8 (local.get 0))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       region1 = 1 "memory"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v8 = load.i64 notrap aligned readonly can_move region0 v0
;;                                       v2 = uextend.i64 v1
;;   @0020                               v4 = load.i64 notrap aligned region0 v0+8
;;   @0020                               v5 = iconst.i64 12
;;   @0020                               v6 = iadd v2, v5  ; v5 = 12
;;   @0020                               v7 = icmp ugt v6, v4
;;   @0020                               trapnz v7, heap_oob
;;   @0020                               v9 = iadd v8, v2
;;   @0020                               v10 = iconst.i64 8
;;   @0020                               v11 = iadd v9, v10  ; v10 = 8
;;   @0020                               v12 = iconst.i64 0
;;   @0020                               v13 = select_spectre_guard v7, v12, v11  ; v12 = 0
;;   @0020                               v14 = load.i32 notrap little region1 v13
;;   @0023                               jump block1(v14)
;;
;;                                   block1(v3: i32):
;;   @0023                               return v3
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %rax
;;     movl %esi, %edx
;;     movq 8(%rdi), %r11
;;     leaq 0xc(%rdx), %rcx
;;     cmpq %r11, %rcx
;;     jnbe #trap=heap_oob
;;     leaq 8(%rax, %rdx), %r10
;;     uninit  %rax
;;     xorq %rax, %rax
;;     cmpq %r11, %rcx
;;     cmovaq %rax, %r10
;;     movl (%r10), %eax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
