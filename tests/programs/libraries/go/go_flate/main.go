// Go's compress/flate packs and unpacks prose.
package main

import (
	"bytes"
	"compress/flate"
	"io"

	"libraries/driver"
)

func main() {
	driver.Run("go_flate", 1, func(scale int) uint64 {
		text := driver.Prose(driver.New(), 1<<15)
		var packed, again bytes.Buffer
		writer, err := flate.NewWriter(&packed, 6)
		driver.Must(err)
		reader := flate.NewReader(&packed)
		var sum uint64
		for round := range scale {
			text[round%len(text)] ^= 1
			packed.Reset()
			writer.Reset(&packed)
			_, err = writer.Write(text)
			driver.Must(err)
			driver.Must(writer.Close())
			sum = driver.Mix(sum, uint64(packed.Len()))
			again.Reset()
			driver.Must(reader.(flate.Resetter).Reset(&packed, nil))
			_, err = io.Copy(&again, reader)
			driver.Must(err)
			sum = driver.Mix(sum, uint64(again.Bytes()[round%len(text)]))
		}
		return sum
	})
}
