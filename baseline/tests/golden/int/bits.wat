(module
  (func (export "shift") (param i32 i32) (result i32)
    (i32.rotl (i32.shl (local.get 0) (local.get 1)) (local.get 1)))
  (func (export "count") (param i64) (result i64)
    (i64.add (i64.clz (local.get 0)) (i64.add (i64.ctz (local.get 0)) (i64.popcnt (local.get 0))))))

;; === expected code ===
;; def0 shift
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  mov esi, esi
;;    e  mov edx, edx
;;   10  shlx eax, esi, edx
;;   15  mov rcx, rdx
;;   18  rol eax, cl
;;   1a  leave
;;   1b  ret
;; def1 count
;;    0  push rbp
;;    1  mov rbp, rsp
;;    4  sub rsp, 30h
;;    8  mov [rbp-8], rdi
;;    c  lzcnt rax, rsi
;;   11  tzcnt rcx, rsi
;;   16  popcnt rdx, rsi
;;   1b  add rcx, rdx
;;   1e  add rax, rcx
;;   21  leave
;;   22  ret
