;;! optimized 0
;;! vcode 0
;;! vcode 1
(module
  (memory 1 2 shared)
  (; Each size is read when it is asked for. ;)
  (func (result i32) (i32.sub (memory.size) (memory.size)))
  (func (param i32) (result i32)
    (i32.atomic.rmw.add (local.get 0) (i32.const 1))
    (drop)
    (i32.load offset=8 (local.get 0))))
;; optimized 0
;;   function u0:0(i64 vmctx) -> i32 tail {
;;       region0 = 0 "context"
;;
;;                                   block0(v0: i64):
;;   @0024                               v2 = load.i64 notrap aligned readonly can_move region0 v0
;;   @0024                               v3 = iconst.i64 8
;;   @0024                               v4 = iadd v2, v3  ; v3 = 8
;;   @0024                               v5 = atomic_load.i64 notrap aligned region0 v4
;;   @0024                               v6 = iconst.i64 16
;;   @0024                               v7 = ushr v5, v6  ; v6 = 16
;;   @0024                               v8 = ireduce.i32 v7
;;   @0026                               v9 = load.i64 notrap aligned readonly can_move region0 v0
;;   @0026                               v10 = iconst.i64 8
;;   @0026                               v11 = iadd v9, v10  ; v10 = 8
;;   @0026                               v12 = atomic_load.i64 notrap aligned region0 v11
;;   @0026                               v13 = iconst.i64 16
;;   @0026                               v14 = ushr v12, v13  ; v13 = 16
;;   @0026                               v15 = ireduce.i32 v14
;;   @0028                               v16 = isub v8, v15
;;   @0029                               jump block1
;;
;;                                   block1:
;;   @0029                               return v16
;;   }
;; vcode 0
;;     pushq %rbp
;;     unwind PushFrameRegs { offset_upward_to_caller_sp: 16 }
;;     movq %rsp, %rbp
;;     unwind DefineNewFrame { offset_upward_to_caller_sp: 16, offset_downward_to_clobbers: 0 }
;;   block0:
;;     movq (%rdi), %r8
;;     movq 8(%r8), %rax
;;     shrq $0x10, %rax
;;     movq (%rdi), %r8
;;     movq 8(%r8), %rdi
;;     shrq $0x10, %rdi
;;     subl %edi, %eax
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
;;     movq (%rdi), %rdi
;;     movq (%rdi), %rdi
;;     movl %esi, %r8d
;;     movl $0x1, %r9d
;;     testq $0x3, %r8
;;     jnz #trap=user14
;;     lock addl %r9d, (%rdi, %r8)
;;     movl 8(%rdi, %r8), %eax
;;     jmp     label1
;;   block1:
;;     movq %rbp, %rsp
;;     popq %rbp
;;     retq
