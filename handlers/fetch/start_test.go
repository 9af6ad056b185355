package main

import (
	"io"
	"testing"

	"o2archiver/shared/funchost/funchosttest"
)

func TestStartStatesTheSources(t *testing.T) {
	funchosttest.CheckStart(t, "fetch", func(lookup func(string) (string, bool), stdout io.Writer) error {
		return run(t.Context(), lookup, stdout)
	})
}
