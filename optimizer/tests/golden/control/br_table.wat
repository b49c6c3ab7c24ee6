;;! clif 0
;;! vcode 0
(module
  (func (param i32) (result i32)
    (block $a (result i32)
      (block $b (result i32)
        (br_table $a $b $a $b (i32.const 5) (local.get 0)))
      (i32.const 2) (i32.add))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;       region0 = 0 "context"
;;       gv0 = vmctx
;;       gv1 = load.i64 notrap aligned readonly can_move region0 gv0+16
;;       gv2 = load.i64 notrap aligned readonly can_move region0 gv1
;;       stack_limit = gv2
;;
;;                                   block0(v0: i64, v1: i32):
;;   @001d                               v5 = iconst.i32 5
;;   @0021                               br_table v1, block5, [block4, block5, block4]
;;
;;                                   block4:
;;   @0021                               jump block2(v5)  ; v5 = 5
;;
;;                                   block5:
;;   @0021                               jump block3(v5)  ; v5 = 5
;;
;;                                   block3(v4: i32):
;;   @0028                               v6 = iconst.i32 2
;;   @002a                               v7 = iadd v4, v6  ; v6 = 2
;;   @002b                               jump block2(v7)
;;
;;                                   block2(v3: i32):
;;   @002c                               jump block1(v3)
;;
;;                                   block1(v2: i32):
;;   @002c                               return v2
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movl $0x3, %r8d
;;     movl %esi, %r9d
;;     cmpl %r8d, %r9d
;;     cmovbl %r9d, %r8d
;;     br_table %r8, %rcx, %rax
;;   block1:
;;     jmp     label6
;;   block2:
;;     jmp     label5
;;   block3:
;;     jmp     label6
;;   block4:
;;     jmp     label5
;;   block5:
;;     movl $0x5, %eax
;;     jmp     label8
;;   block6:
;;     jmp     label7
;;   block7:
;;     movl $0x7, %eax
;;     jmp     label8
;;   block8:
;;     jmp     label9
;;   block9:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
