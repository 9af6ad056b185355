//go:build !race

package infra

const raceDetector = false
