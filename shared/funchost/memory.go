package funchost

import "runtime/debug"

// TuneGC sets the garbage collector's percentage and its memory limit in bytes, as debug.SetGCPercent and
// debug.SetMemoryLimit do, unless the environment sets one of them: GOGC and GOMEMLIMIT take precedence.
func TuneGC(lookup func(string) (string, bool), percent int, memory int64) {
	_, percentSet := lookup("GOGC")
	_, memorySet := lookup("GOMEMLIMIT")
	if !percentSet && !memorySet {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(memory)
	}
}
