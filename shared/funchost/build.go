package funchost

// version and commit name the sources of the program. The linker sets them in what local/appbuild builds for
// deployment; nothing writes them while the program runs.
var (
	version = "development"
	commit  = "unknown"
)

// Build returns the version of the program, as CHANGELOG.md states it, and the commit of its sources. A program that
// was not built for deployment is of the version "development" and an unknown commit.
func Build() (sourceVersion, sourceCommit string) { return version, commit }
