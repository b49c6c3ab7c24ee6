;;! clif 0
;;! vcode 0
(module
  (func (param i32) (result i32 i32)
    (i32.add (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const -1))
    (i32.sub (local.tee 0 (i32.add (local.get 0) (i32.const 6))) (i32.const 2))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32, i32 tail {
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @001c                               v5 = iconst.i32 1
;;   @001e                               v6 = iadd v1, v5  ; v5 = 1
;;   @001f                               v7 = uextend.i64 v6
;;   @0021                               v8 = iconst.i32 -1
;;   @0026                               v9 = iconst.i32 6
;;   @0028                               v10 = iconst.i32 7
;;   @0028                               v11 = iadd v1, v10  ; v10 = 7
;;   @0029                               v12 = uextend.i64 v11
;;   @002b                               v13 = iconst.i32 2
;;   @002d                               v14 = isub v11, v13  ; v13 = 2
;;   @002e                               jump block1(v1, v14)
;;
;;                                   block1(v3: i32, v4: i32):
;;   @002e                               return v3, v4
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     leal 7(%rsi), %ecx
;;     subl $0x2, %ecx
;;     jmp     label1
;;   block1:
;;     movq %rsi, %rax
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
