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
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @001d                               v6 = iconst.i32 5
;;   @0021                               v7 = iconst.i32 2
;;   @0021                               v8 = icmp ult v1, v7  ; v7 = 2
;;   @0021                               brif v8, block6, block7
;;
;;                                   block6:
;;   @0021                               v9 = iconst.i32 0
;;   @0021                               v10 = icmp.i32 eq v1, v9  ; v9 = 0
;;   @0021                               brif v10, block4, block5
;;
;;                                   block7:
;;   @0021                               v11 = iconst.i32 2
;;   @0021                               v12 = icmp.i32 eq v1, v11  ; v11 = 2
;;   @0021                               brif v12, block4, block5
;;
;;                                   block4:
;;   @0021                               jump block2(v6)  ; v6 = 5
;;
;;                                   block5:
;;   @0021                               jump block3(v6)  ; v6 = 5
;;
;;                                   block3(v5: i32):
;;   @0028                               v13 = iconst.i32 2
;;   @002a                               v14 = iadd v5, v13  ; v13 = 2
;;   @002b                               jump block2(v14)
;;
;;                                   block2(v4: i32):
;;   @002c                               jump block1(v4)
;;
;;                                   block1(v3: i32):
;;   @002c                               return v3
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movl $0x5, %eax
;;     cmpl $0x2, %esi
;;     jb      label4; j label1
;;   block1:
;;     cmpl $0x2, %esi
;;     jz      label2; j label3
;;   block2:
;;     jmp     label9
;;   block3:
;;     jmp     label7
;;   block4:
;;     testl %esi, %esi
;;     jz      label5; j label6
;;   block5:
;;     jmp     label9
;;   block6:
;;     jmp     label7
;;   block7:
;;     jmp     label8
;;   block8:
;;     movl $0x2, %eax
;;     leal 5(%rax), %eax
;;     jmp     label10
;;   block9:
;;     jmp     label10
;;   block10:
;;     jmp     label11
;;   block11:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
