//! alike.wasm is this, compiled without anything else, with debug information:
//! `rustc --target wasm32-wasip1 -C opt-level=s -g --crate-type cdylib -C panic=abort alike.rs`

#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

mod first {
    #[repr(C)]
    pub struct Point {
        pub x: f64,
        pub y: f64,
    }
}

mod second {
    #[repr(C)]
    pub struct Point {
        pub id: u8,
        pub x: i16,
        pub next: &'static Point,
    }
}

static FIRST: first::Point = first::Point { x: 1.5, y: 2.5 };

static NEXT: second::Point = second::Point {
    id: 8,
    x: 10,
    next: &SECOND,
};

static SECOND: second::Point = second::Point {
    id: 7,
    x: 9,
    next: &NEXT,
};

#[unsafe(no_mangle)]
pub extern "C" fn first_point() -> *const first::Point {
    &FIRST
}

#[unsafe(no_mangle)]
pub extern "C" fn second_point() -> *const second::Point {
    &SECOND
}

#[unsafe(no_mangle)]
pub extern "C" fn third_point() -> *const first::Point {
    &FIRST
}
