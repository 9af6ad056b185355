package infra

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// logLine is a call in the sources that writes a line of the log.
type logLine struct {
	At    string // file and line
	Level string // the method's name: Info, Warn, Error
	Event string // the value of the attribute event; "" if it has none
}

var eventName = regexp.MustCompile(`^(?:fetch|import|portal|host)\.[a-z][a-zA-Z]+$`)

// logLines are the log lines of the Go files that come into the log.
func logLines(t *testing.T) (all []logLine) {
	t.Helper()
	files := token.NewFileSet()
	for _, root := range []string{"../handlers", "../shared"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := goparser.ParseFile(files, path, nil, goparser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if line, ok := asLogLine(call); ok {
						line.At = files.Position(call.Pos()).String()
						all = append(all, line)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 15 {
		t.Fatalf("only %d log lines found in the sources", len(all))
	}
	return all
}

// asLogLine reads a call of a logger's method: log.Error(…), inv.Log.Error(…), slog.Error(…), log.Log(ctx,
// slog.LevelError, …).
func asLogLine(call *ast.CallExpr) (logLine, bool) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return logLine{}, false
	}
	var receiver string
	switch x := method.X.(type) {
	case *ast.Ident:
		receiver = x.Name
	case *ast.SelectorExpr:
		receiver = x.Sel.Name
	case *ast.CallExpr: // log.With(…).Error(…)
		if with, ok := x.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(with.Sel.Name, "With") {
			receiver = "log"
		}
	}
	if r := strings.ToLower(receiver); r != "log" && r != "slog" && r != "logger" {
		return logLine{}, false
	}
	line := logLine{Level: strings.TrimSuffix(method.Sel.Name, "Context")}
	args := call.Args
	switch line.Level {
	case "Debug", "Info", "Warn", "Error":
	case "Log", "LogAttrs":
		line.Level = "Error" // as if, unless it is a plain level below
		if len(args) > 1 {
			if level, ok := args[1].(*ast.SelectorExpr); ok {
				line.Level = strings.TrimPrefix(level.Sel.Name, "Level")
			}
		}
	default:
		return logLine{}, false
	}
	for i, arg := range args {
		if name, ok := stringLiteral(arg); ok && name == "event" && i+1 < len(args) {
			line.Event, _ = stringLiteral(args[i+1])
		}
	}
	return line, true
}

func stringLiteral(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// Every error is seen by an alert: it has an event, and that is one that an alert's query asks for, or one that the
// query of errors does not leave to others; and the runbook says what to do about each of the latter.
func TestEveryErrorHasAnAlert(t *testing.T) {
	named := map[string][]string{} // event: queries of alerts that ask for it
	for _, name := range alertNames {
		if name == "errors" {
			continue
		}
		for _, event := range asksFor(kql(t, "queries/"+name+".kql")) {
			named[event] = append(named[event], name)
		}
	}
	left := map[string]bool{} // events that the query of errors leaves to the others
	for _, event := range asksFor(kql(t, "queries/errors.kql")) {
		left[event] = true
		if len(named[event]) == 0 {
			t.Errorf("errors.kql leaves out %s, and no other alert asks for it", event)
		}
	}
	_, rest, _ := strings.Cut(read(t, "runbook.md"), "\n## errors\n")
	runbook, _, _ := strings.Cut(rest, "\n#")
	for _, line := range logLines(t) {
		switch {
		case line.Event != "" && !eventName.MatchString(line.Event):
			t.Errorf("%s: the event %q is not named as the others", line.At, line.Event)
		case line.Level != "Error":
		case line.Event == "":
			t.Errorf("%s: an error without a constant attribute event, so that no query can ask for it", line.At)
		case !left[line.Event] && !strings.Contains(runbook, "`"+line.Event+"`"):
			t.Errorf("%s: runbook.md does not say under errors what to do about %s", line.At, line.Event)
		}
	}
}

// asksFor are the events that a query names.
func asksFor(query string) (events []string) {
	for _, m := range asked.FindAllStringSubmatch(query, -1) {
		for _, l := range literal.FindAllStringSubmatch(m[1], -1) {
			events = append(events, l[1]+l[2])
		}
	}
	return events
}

var comment = regexp.MustCompile(`(?m)^\s*//.*$`)

// kql is the text of a query without its comments.
func kql(t *testing.T, file string) string {
	t.Helper()
	return comment.ReplaceAllString(read(t, file), "")
}
