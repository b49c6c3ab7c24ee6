// Go's regexp looks for patterns in prose.
package main

import (
	"regexp"

	"libraries/driver"
)

func main() {
	driver.Run("go_regexp", 1, func(scale int) uint64 {
		text := driver.Prose(driver.New(), 1<<12)
		var patterns []*regexp.Regexp
		for _, pattern := range []string{`\b(\w*)tion\b`, `(an|be|con)+re?[a-n]*`, `(\d{2,})\s+(\w+)`} {
			patterns = append(patterns, regexp.MustCompile(pattern))
		}
		var sum uint64
		for range scale {
			for _, pattern := range patterns {
				for _, found := range pattern.FindAllSubmatchIndex(text, -1) {
					sum = driver.Mix(sum, uint64(found[0]*64+found[3]-found[2]))
				}
			}
		}
		return sum
	})
}
