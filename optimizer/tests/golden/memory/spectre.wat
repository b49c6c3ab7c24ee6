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
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;   @0020                               v3 = uextend.i64 v1
;;   @0020                               v4 = load.i64 notrap aligned region0 v0+8
;;   @0020                               v5 = iconst.i64 12
;;   @0020                               v6 = iadd v3, v5  ; v5 = 12
;;   @0020                               v7 = icmp ugt v6, v4
;;   @0020                               trapnz v7, heap_oob
;;   @0020                               v8 = iadd v0, v3
;;   @0020                               v9 = iconst.i64 0x0001_1008
;;   @0020                               v10 = iadd v8, v9  ; v9 = 0x0001_1008
;;   @0020                               v11 = iconst.i64 0
;;   @0020                               v12 = select_spectre_guard v7, v11, v10  ; v11 = 0
;;   @0020                               v13 = load.i32 notrap little region1 v12
;;   @0023                               jump block1(v13)
;;
;;                                   block1(v2: i32):
;;   @0023                               return v2
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq 8(%rdi), %r10
;;     movl %esi, %r11d
;;     leaq 0xc(%r11), %rax
;;     cmpq %r10, %rax
;;     jnbe #trap=heap_oob
;;     uninit  %rcx
;;     xorq %rcx, %rcx
;;     leaq 0x11008(%rdi, %r11), %r11
;;     cmpq %r10, %rax
;;     cmovaq %rcx, %r11
;;     movl (%r11), %eax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
