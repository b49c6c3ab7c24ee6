// Package driver is what each program here has besides the library: one numeric argument in, one
// checksum out, and data to work on that is the same everywhere.
package driver

import (
	"fmt"
	"os"
	"strconv"
)

// Random gives the same sequence everywhere: xorshift64*.
type Random uint64

// New is the start of the sequence.
func New() *Random {
	r := Random(0x9E3779B97F4A7C15)
	return &r
}

// Next is the next number.
func (r *Random) Next() uint64 {
	*r ^= *r >> 12
	*r ^= *r << 25
	*r ^= *r >> 27
	return uint64(*r) * 0x2545F4914F6CDD1D
}

// Below is a number below a limit.
func (r *Random) Below(limit uint64) uint64 { return (r.Next() >> 20) % limit }

// Mix mixes one more value into a checksum.
func Mix(sum, value uint64) uint64 {
	sum ^= value + 0x9E3779B97F4A7C15 + (sum << 6) + (sum >> 2)
	return sum * 0xff51afd7ed558ccd
}

// Prose is words, numbers and lines.
func Prose(r *Random, bytes int) []byte {
	parts := []string{"an", "be", "con", "de", "er", "in", "ly", "men", "or", "pre", "st", "tion"}
	var text []byte
	for len(text) < bytes {
		if r.Below(12) == 0 {
			text = strconv.AppendUint(text, r.Below(100000), 10)
		} else {
			for n := r.Below(3) + 1; n > 0; n-- {
				text = append(text, parts[r.Below(12)]...)
			}
		}
		if r.Below(9) == 0 {
			text = append(text, '\n')
		} else {
			text = append(text, ' ')
		}
	}
	return text[:bytes]
}

// Run prints the program's name and what it computes for the size that the argument says.
func Run(name string, size int, program func(int) uint64) {
	if len(os.Args) > 1 {
		if scale, err := strconv.Atoi(os.Args[1]); err == nil {
			size = scale
		}
	}
	fmt.Printf("%s %016x\n", name, program(size))
}

// Must ends the program where a library reports an error.
func Must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
