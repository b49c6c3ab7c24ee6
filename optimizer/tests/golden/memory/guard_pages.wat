;;! clif 0
;;! vcode 0
;;! vcode 1
;;! vcode 2
(module
  (memory 1)
  (func (param i32) (result i64) (i64.load offset=8 (local.get 0)))
  (func (param i32 i32) (i32.store offset=0xfffffff0 (local.get 0) (local.get 1)))
  (func (result i32) (i32.load8_s (i32.const 16))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i64 tail {
;;       region0 = 1 "memory"
;;       region1 = 0 "context"
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v4 = load.i64 notrap aligned readonly can_move region1 v0
;;                                       v2 = uextend.i64 v1
;;   @002b                               v5 = iadd v4, v2
;;   @002b                               v6 = load.i64 user32 little region0 v5+8
;;   @002e                               jump block1(v6)
;;
;;                                   block1(v3: i64):
;;   @002e                               return v3
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq %rsi, %r8
;;     movq (%rdi), %rsi
;;     movq %r8, %rdi
;;     movl %edi, %edi
;;     movq 8(%rsi, %rdi), %rax
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
;;     movl %esi, %esi
;;     addq (%rdi), %rsi
;;     movl $0xfffffff0, %edi
;;     movl %edx, (%rsi, %rdi)
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
;;     movq (%rdi), %rsi
;;     movsbq 0x10(%rsi), %rax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
