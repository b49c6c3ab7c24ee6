/* Vectors of 128 bits, and the few operations on them for which C has no operator. On the machine
 * itself they are instructions of x86-64 that give the same results. Included after kernel.h. */

typedef u8 u8x8 __attribute__((vector_size(8)));
typedef u8 u8x16 __attribute__((vector_size(16)));
typedef i8 i8x16 __attribute__((vector_size(16)));
typedef u16 u16x8 __attribute__((vector_size(16)));
typedef short i16x8 __attribute__((vector_size(16)));
typedef u32 u32x4 __attribute__((vector_size(16)));
typedef i32 i32x4 __attribute__((vector_size(16)));
typedef float f32x4 __attribute__((vector_size(16)));

/* Bytes of a table of 16 by their numbers; zero for those with the highest bit set. Numbers from
 * 16 to 127 are not allowed. */
static inline u8x16 look_up(u8x16 table, u8x16 numbers) {
#ifdef __wasm__
    return (u8x16)__builtin_wasm_swizzle_i8x16((i8x16)table, (i8x16)numbers);
#else
    return (u8x16)__builtin_ia32_pshufb128((__attribute__((vector_size(16))) char)table,
                                           (__attribute__((vector_size(16))) char)numbers);
#endif
}

/* The lanes of both vectors as bytes, the nearest that there are. */
static inline u8x16 narrow(i16x8 low, i16x8 high) {
#ifdef __wasm__
    return (u8x16)__builtin_wasm_narrow_u_i8x16_i16x8(low, high);
#else
    return (u8x16)__builtin_ia32_packuswb128(low, high);
#endif
}

/* Products of lanes, each added to its neighbour's. */
static inline i32x4 dot_pairs(i16x8 left, i16x8 right) {
#ifdef __wasm__
    return __builtin_wasm_dot_s_i32x4_i16x8(left, right);
#else
    return __builtin_ia32_pmaddwd128(left, right);
#endif
}

static inline i32 any(u8x16 bits) {
#ifdef __wasm__
    return __builtin_wasm_any_true_v128((i8x16)bits);
#else
    return __builtin_reduce_or(bits) != 0;
#endif
}

static inline u8x16 load(const u8 *from) {
    u8x16 bytes;
    __builtin_memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

static inline void store(u8 *to, u8x16 bytes) { __builtin_memcpy(to, &bytes, sizeof bytes); }

static inline u16x8 low_half(u8x16 bytes) {
    return __builtin_convertvector(
        __builtin_shufflevector(bytes, bytes, 0, 1, 2, 3, 4, 5, 6, 7), u16x8);
}

static inline u16x8 high_half(u8x16 bytes) {
    return __builtin_convertvector(
        __builtin_shufflevector(bytes, bytes, 8, 9, 10, 11, 12, 13, 14, 15), u16x8);
}
