package telemessage

import (
	"bytes"
	"strconv"
)

// These functions walk through valid JSON and pass parts of it on without copying. An item may have 16 MiB of content
// and a million members, and none of them may cost more than its bytes.

// eachMember calls each for the members of an object, in order.
func eachMember(object []byte, each func(name string, value []byte)) {
	i := skipBlank(object, 1)
	for object[i] != '}' {
		end := valueEnd(object, i)
		name := object[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = unescapeString(object[i:end])
		}
		i = skipBlank(object, skipBlank(object, end)+1) // skips the colon
		end = valueEnd(object, i)
		each(string(name), object[i:end])
		if i = skipBlank(object, end); object[i] == ',' {
			i = skipBlank(object, i+1)
		}
	}
}

// eachElement calls each for the elements of an array, in order, until it returns false.
func eachElement(array []byte, each func(value []byte) bool) {
	i := skipBlank(array, 1)
	for array[i] != ']' {
		end := valueEnd(array, i)
		if !each(array[i:end]) {
			return
		}
		if i = skipBlank(array, end); array[i] == ',' {
			i = skipBlank(array, i+1)
		}
	}
}

// valueEnd returns the index after the value that begins at i.
func valueEnd(b []byte, i int) int {
	var s span
	return i + s.scan(b[i:])
}

// skipBlank returns the index of the first byte from i on that is not white space.
func skipBlank(b []byte, i int) int {
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	return i
}

func isObject(value []byte) bool { return value[0] == '{' }
func isArray(value []byte) bool  { return value[0] == '[' }
func isString(value []byte) bool { return value[0] == '"' }
func isNull(value []byte) bool   { return value[0] == 'n' }
func isNumber(value []byte) bool { return value[0] == '-' || value[0] >= '0' && value[0] <= '9' }

// wholeNumber parses an integer that is not negative, in any form that JSON allows.
func wholeNumber(value []byte) (int64, bool) {
	if !isNumber(value) || len(value) > 40 {
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
