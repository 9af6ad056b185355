// Package jsonscan reads JSON of any size and depth from untrusted senders: it finds where a value ends, walks through
// objects and arrays, and decodes strings without losing what is not valid in them.
//
// encoding/json replaces lone surrogates and needs a structure for everything. Here an item may have 16 MiB of content
// and a million members, and none of them costs more than its bytes.
package jsonscan

import (
	"bytes"
	"strconv"
)

// The functions in this file take valid JSON only. They pass parts of it on without copying.

// EachMember calls each for the members of an object, in order.
func EachMember(object []byte, each func(name string, value []byte)) {
	i := SkipBlank(object, 1)
	for object[i] != '}' {
		end := valueEnd(object, i)
		name := object[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = UnescapeString(object[i:end])
		}
		i = SkipBlank(object, SkipBlank(object, end)+1) // skips the colon
		end = valueEnd(object, i)
		each(string(name), object[i:end])
		if i = SkipBlank(object, end); object[i] == ',' {
			i = SkipBlank(object, i+1)
		}
	}
}

// EachElement calls each for the elements of an array, in order, until it returns false.
func EachElement(array []byte, each func(value []byte) bool) {
	i := SkipBlank(array, 1)
	for array[i] != ']' {
		end := valueEnd(array, i)
		if !each(array[i:end]) {
			return
		}
		if i = SkipBlank(array, end); array[i] == ',' {
			i = SkipBlank(array, i+1)
		}
	}
}

// valueEnd returns the index after the value that begins at i.
func valueEnd(b []byte, i int) int {
	var s Span
	return i + s.Scan(b[i:])
}

// SkipBlank returns the index of the first byte from i on that is not white space.
func SkipBlank(b []byte, i int) int {
	for i < len(b) && IsBlank(b[i]) {
		i++
	}
	return i
}

// IsObject reports whether a value is an object.
func IsObject(value []byte) bool { return value[0] == '{' }

// IsArray reports whether a value is an array.
func IsArray(value []byte) bool { return value[0] == '[' }

// IsString reports whether a value is a string.
func IsString(value []byte) bool { return value[0] == '"' }

// IsNull reports whether a value is null.
func IsNull(value []byte) bool { return value[0] == 'n' }

// IsNumber reports whether a value is a number.
func IsNumber(value []byte) bool { return value[0] == '-' || value[0] >= '0' && value[0] <= '9' }

// WholeNumber parses an integer that is not negative, in any form that JSON allows.
func WholeNumber(value []byte) (int64, bool) {
	if !IsNumber(value) || len(value) > 40 {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return max(n, 0), n >= 0
	}
	f, err := strconv.ParseFloat(string(value), 64)
	const exact = 1 << 53 // a float64 represents every integer up to here exactly
	if err != nil || f < 0 || f > exact || f != float64(int64(f)) {
		return 0, false
	}
	return int64(f), true
}
