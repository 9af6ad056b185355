// Command toy is a function app for the tests of both hosts: it does what its input requests and records what it
// received.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"o2archiver/shared/funchost"
)

// line is the line that the toy appends to TOY_LOG for each invocation.
type line struct {
	Function, ID, Input, URI, Name string
	PID                            int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	var mu sync.Mutex
	do := func(_ context.Context, inv *funchost.Invocation) (any, error) {
		input, _ := inv.Input("timer")
		uri, _ := inv.Meta("Uri")
		name, _ := inv.Meta("name")
		mu.Lock()
		err := note(line{inv.Function, inv.ID, input, uri, name, os.Getpid()})
		mu.Unlock()
		if err != nil {
			return nil, err
		}
		inv.Log.Info("at work")
		switch word := input + name; {
		case strings.Contains(word, "fail"):
			return nil, fmt.Errorf("%w: as asked", funchost.ErrUnavailable)
		case strings.Contains(word, "exit0"):
			os.Exit(0)
		case strings.Contains(word, "exit200"):
			os.Exit(200)
		case strings.Contains(word, "exit1"):
			os.Exit(1)
		case strings.Contains(word, "once") && inv.ID != "":
			if _, err := os.Stat(os.Getenv("TOY_LOG") + ".once"); err == nil {
				return nil, nil
			}
			return nil, errors.Join(errors.New("the first time"),
				os.WriteFile(os.Getenv("TOY_LOG")+".once", nil, 0o600))
		case strings.Contains(word, "sleep"):
			time.Sleep(300 * time.Millisecond)
		}
		return map[string]int{"done": 1}, nil
	}
	server := funchost.New(log, time.Minute, map[string]funchost.Func{"tick": do, "take": do})
	if os.Getenv("TOY_ANSWER") == "" {
		os.Exit(funchost.ExitCode(server.Serve(ctx, os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))))
	}
	// Send an answer that funchost never sends.
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				_ = note(line{Function: r.URL.Path, PID: os.Getpid()})
				fmt.Fprint(w, strings.TrimPrefix(os.Getenv("TOY_ANSWER"), "empty"))
			}
		}))
	fmt.Fprintln(os.Stderr, "toy:", err)
	os.Exit(1)
}

// note appends a line to TOY_LOG.
func note(l line) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(os.Getenv("TOY_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(append(raw, '\n'))
	return err
}
