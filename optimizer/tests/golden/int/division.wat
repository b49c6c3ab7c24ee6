;;! clif 0
;;! vcode 0
(module
  (func (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1))))
;; clif 0
;;   function u0:0(i64 vmctx, i32, i32) -> i32 tail {
;;                                   block0(v0: i64, v1: i32, v2: i32):
;;                                       v3 = uextend.i64 v1
;;                                       v4 = uextend.i64 v2
;;   @001e                               v6 = sdiv v1, v2
;;   @001f                               jump block1(v6)
;;
;;                                   block1(v5: i32):
;;   @001f                               return v5
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq %rsi, %rax
;;     movq %rdx, %r11
;;     cltd  ;; implicit: %edx, %eax
;;     testl %r11d, %r11d
;;     jz #trap=int_divz
;;     idivl %r11d ;; implicit: %eax, %edx, trap=252
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
