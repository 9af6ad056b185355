package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of time in /proc/<pid>/stat: Linux reports 100 ticks a second to user space on every machine.
const tick = 10 * time.Millisecond

// processMemory returns a process's resident memory in bytes, now and at its peak. ok is false on a system without
// /proc.
func processMemory(pid int) (now, peak int64, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, false
	}
	return parseStatus(string(raw))
}

func parseStatus(status string) (now, peak int64, ok bool) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.ParseInt(
			strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			now = kilobytes << 10
		case "VmHWM":
			peak = kilobytes << 10
		}
	}
	return now, peak, now > 0 && peak > 0
}

// processCPU returns the processor time, user and system, that a process has used since its start.
func processCPU(pid int) (used time.Duration, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return parseStat(raw)
}

func parseStat(stat []byte) (used time.Duration, ok bool) {
	// The second field is the program's name in parentheses, and may contain blanks and parentheses itself.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 14 - 3, 15 - 3 // fields 14 and 15; the first one here is field 3
	if len(fields) <= system {
		return 0, false
	}
	for _, f := range fields[user : system+1] {
		ticks, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, false
		}
		used += time.Duration(ticks) * tick
	}
	return used, true
}

// machineCPU returns the processor time that the machine has used since its start, for anything.
func machineCPU() (used time.Duration, ok bool) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	return parseBusy(raw)
}

func parseBusy(stat []byte) (used time.Duration, ok bool) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line) // cpu user nice system idle iowait irq softirq
	if len(fields) < 8 || string(fields[0]) != "cpu" {
		return 0, false
	}
	for i, f := range fields[1:8] {
		ticks, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, false
		}
		if i != 3 && i != 4 { // idle, and waiting for a disk
			used += time.Duration(ticks) * tick
		}
	}
	return used, true
}

// startUp starts a handler several times and returns the median time from the start of its process to its answer to GET
// path.
func startUp(ctx context.Context, program, path string, env []string) (time.Duration, error) {
	const starts = 5
	var all []time.Duration
	for range starts {
		d, err := startOnce(ctx, program, path, env)
		if err != nil {
			return 0, fmt.Errorf("start the handler: %w", err)
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all[starts/2], nil
}

func startOnce(ctx context.Context, program, path string, env []string) (time.Duration, error) {
	p, err := launchHandler(ctx, program, path, env, nil)
	if err != nil {
		return 0, err
	}
	_ = p.stop()
	return p.took, nil
}

// handlerProcess is a handler that runs without a host.
type handlerProcess struct {
	at   string        // its address
	took time.Duration // from the start of the process to its first answer
	pid  int
	stop func() (used time.Duration) // kills it, and returns the processor time that it has used
}

// launchHandler starts a handler, and returns when it has answered GET path. Its output goes to log, if that is not
// nil.
func launchHandler(ctx context.Context, program, path string, env []string, log io.Writer) (*handlerProcess, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at := listener.Addr().String()
	listener.Close()
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(append(os.Environ(), env...), "FUNCTIONS_CUSTOMHANDLER_PORT="+port)
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &handlerProcess{at: "http://" + at, pid: cmd.Process.Pid, stop: func() time.Duration {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		resp, err := client.Get(p.at + path)
		if err == nil {
			resp.Body.Close()
			p.took = time.Since(began)
			return p, nil
		}
		time.Sleep(time.Millisecond)
	}
	_ = p.stop()
	return nil, errors.New("it does not answer GET " + path)
}
