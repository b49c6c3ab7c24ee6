;;! clif 0
;;! vcode 0
;;! clif 1
(module
  (func (param i32) (result i32)
    (block $a (result i32)
      (block $b (result i32)
        (br_table $a $b $a $b (i32.const 5) (local.get 0)))
      (i32.const 2) (i32.add)))
  (func (param i32)
    (block (block (block (block (block
      (br_table 0 1 2 3 4 3 2 1 0 (i32.and (local.get 0) (i32.const 7))))))))))
;; clif 0
;;   function u0:0(i64 vmctx, i32) -> i32 tail {
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @0022                               v6 = iconst.i32 5
;;   @0026                               v7 = iconst.i32 2
;;   @0026                               v8 = icmp ult v1, v7  ; v7 = 2
;;   @0026                               brif v8, block6, block7
;;
;;                                   block6:
;;   @0026                               v9 = iconst.i32 0
;;   @0026                               v10 = icmp.i32 eq v1, v9  ; v9 = 0
;;   @0026                               brif v10, block4, block5
;;
;;                                   block7:
;;   @0026                               v11 = iconst.i32 2
;;   @0026                               v12 = icmp.i32 eq v1, v11  ; v11 = 2
;;   @0026                               brif v12, block4, block5
;;
;;                                   block4:
;;   @0026                               jump block2(v6)  ; v6 = 5
;;
;;                                   block5:
;;   @0026                               jump block3(v6)  ; v6 = 5
;;
;;                                   block3(v5: i32):
;;   @002d                               v13 = iconst.i32 2
;;   @002f                               v14 = iadd v5, v13  ; v13 = 2
;;   @0030                               jump block2(v14)
;;
;;                                   block2(v4: i32):
;;   @0031                               jump block1(v4)
;;
;;                                   block1(v3: i32):
;;   @0031                               return v3
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
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
;;     movl $0x5, %eax
;;     jmp     label10
;;   block10:
;;     jmp     label11
;;   block11:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
;; clif 1
;;   function u0:1(i64 vmctx, i32) tail {
;;                                   block0(v0: i64, v1: i32):
;;                                       v2 = uextend.i64 v1
;;   @0040                               v3 = iconst.i32 7
;;   @0042                               v4 = band v1, v3  ; v3 = 7
;;   @0043                               br_table v4, block7, [block7, block8, block9, block10, block11, block10, block9, block8]
;;
;;                                   block7:
;;   @0043                               jump block6
;;
;;                                   block8:
;;   @0043                               jump block5
;;
;;                                   block9:
;;   @0043                               jump block4
;;
;;                                   block10:
;;   @0043                               jump block3
;;
;;                                   block11:
;;   @0043                               jump block2
;;
;;                                   block6:
;;   @004f                               jump block5
;;
;;                                   block5:
;;   @0050                               jump block4
;;
;;                                   block4:
;;   @0051                               jump block3
;;
;;                                   block3:
;;   @0052                               jump block2
;;
;;                                   block2:
;;   @0053                               jump block1
;;
;;                                   block1:
;;   @0053                               return
;;   }
