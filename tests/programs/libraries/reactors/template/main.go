// Go's text/template as a library: a template and JSON in, text out.
package main

import (
	"encoding/json"
	"strings"
	"text/template"
	"unsafe"
)

// Memory that the host has, by address, so that it is not collected.
var kept = map[uintptr][]byte{}

//go:wasmexport malloc
func malloc(size uint32) uintptr {
	block := make([]byte, max(size, 1))
	address := uintptr(unsafe.Pointer(&block[0]))
	kept[address] = block
	return address
}

//go:wasmexport free
func free(address uintptr) {
	delete(kept, address)
}

// text copies a Go string to memory of the host's, with a zero behind it.
func text(value string) uintptr {
	address := malloc(uint32(len(value) + 1))
	copy(kept[address], value)
	return address
}

//go:wasmexport render
func render(form unsafe.Pointer, formLength uint32, data unsafe.Pointer, dataLength uint32) uintptr {
	parsed, err := template.New("").Parse(unsafe.String((*byte)(form), formLength))
	if err != nil {
		return text("error: " + err.Error())
	}
	var values any
	if err := json.Unmarshal(unsafe.Slice((*byte)(data), dataLength), &values); err != nil {
		return text("error: " + err.Error())
	}
	var page strings.Builder
	if err := parsed.Execute(&page, values); err != nil {
		return text("error: " + err.Error())
	}
	return text(page.String())
}

func main() {}
