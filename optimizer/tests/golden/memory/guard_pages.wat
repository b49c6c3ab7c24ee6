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
;;       region0 = 0 "context"
;;       region1 = 1 "memory"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;   @002b                               v3 = uextend.i64 v1
;;   @002b                               v4 = iadd v0, v3
;;   @002b                               v5 = load.i64 little region1 v4+0x0800_0008
;;   @002e                               jump block1(v5)
;;
;;                                   block1(v2: i64):
;;   @002e                               return v2
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movl %esi, %esi
;;     movq 0x8000008(%rdi, %rsi), %rax
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
;;     leaq (%rdi, %rsi), %rsi
;;     movabsq $0x107fffff0, %rdi
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
;;     movsbq 0x8000010(%rdi), %rax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
