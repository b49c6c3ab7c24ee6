;; The optimizer took a lane of bytes for a condition and left out a mask of its bits.
;; arguments: 1
(module
  (func (export "equal") (param v128 v128) (result i32)
    local.get 0
    local.get 1
    i8x16.eq
    i8x16.extract_lane_u 3
    i32.const 1
    i32.and)
  (func (export "bits") (param v128) (result i32)
    local.get 0
    i8x16.extract_lane_u 0
    i32.const 0x41
    i32.and
    if (result i32)
      i32.const 1
    else
      i32.const 2
    end)
)
