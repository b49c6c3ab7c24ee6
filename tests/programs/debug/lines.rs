//! A program with debug information, for backtraces: functions of Rust, some of them inlined.

#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

pub mod tree {
    pub struct Node {
        pub depth: u32,
    }

    impl Node {
        /// Inlined into its callers.
        #[inline(always)]
        pub fn checked(&self, divisor: u32) -> u32 {
            if divisor == 0 {
                core::arch::wasm32::unreachable()
            }
            self.depth / divisor
        }

        #[inline(never)]
        pub fn walk(&self, divisor: u32) -> u32 {
            if self.depth == 0 {
                return self.checked(divisor);
            }
            let below = Node {
                depth: self.depth - 1,
            };
            below.walk(divisor) + 1
        }

        /// Runs for long, without a call, an access or anything else that may trap.
        #[inline(never)]
        pub fn spin(&self) -> u32 {
            let (mut sum, mut n) = (self.depth, u32::MAX);
            while n != 1 {
                sum = sum.rotate_left(3) ^ n;
                n = n.wrapping_sub(2);
                if n == 1 {
                    n = u32::MAX;
                }
            }
            sum
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn run(depth: u32, divisor: u32) -> u32 {
    tree::Node { depth }.walk(divisor)
}

#[unsafe(no_mangle)]
pub extern "C" fn spin() -> u32 {
    tree::Node { depth: 3 }.spin()
}
