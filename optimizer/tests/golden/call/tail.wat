;;! clif 0
;;! vcode 0
(module
  (func $odd (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (return_call $even (i32.sub (local.get 0) (i32.const 1))))
  (func $even (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (return_call $odd (i32.sub (local.get 0) (i32.const 1)))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       sig0 = (i64 vmctx, i32) -> i32 tail
;;       fn0 = u0:1 sig0
;;
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @001c                               v4 = iconst.i32 0
;;   @001c                               v5 = icmp eq v1, v4  ; v4 = 0
;;   @001c                               v6 = uextend.i32 v5
;;   @001d                               brif v6, block2, block3
;;
;;                                   block2:
;;   @001f                               v7 = iconst.i32 0
;;   @0021                               return v7  ; v7 = 0
;;
;;                                   block3:
;;   @0022                               jump block4
;;
;;                                   block4:
;;   @0023                               v8 = ireduce.i32 v2
;;   @0025                               v9 = iconst.i32 1
;;   @0027                               v10 = isub v8, v9  ; v9 = 1
;;   @0028                               return_call fn0(v0, v10)
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movl %esi, %r8d
;;     testl %esi, %esi
;;     jz      label3; j label1
;;   block1:
;;     jmp     label2
;;   block2:
;;     movq %r8, %rsi
;;     subl $0x1, %esi
;;     load_ext_name userextname0+0, %r10
;;     return_call_unknown %r10 (0) tmp=%r11 %rdi=%rdi %rsi=%rsi
;;   block3:
;;     uninit  %rax
;;     xorl %eax, %eax
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
