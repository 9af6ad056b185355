package journal_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"o2archiver/shared/journal"
	"o2archiver/shared/retry"
)

// memory is journal.Logs in memory, for tests that need its inside or the clock of testing/synctest.
type memory struct {
	mu      sync.Mutex
	logs    map[string][]byte
	holder  map[string]string // token by name
	cancel  map[string]context.CancelCauseFunc
	tokens  int
	appends int
	away    int   // so many appends fail before they have an effect
	lost    int   // so many after it
	broken  error // every append fails for good
}

var _ journal.Logs = (*memory)(nil)

func newMemory() *memory {
	return &memory{logs: map[string][]byte{}, holder: map[string]string{}, cancel: map[string]context.CancelCauseFunc{}}
}

var (
	errAway   = retry.NewTransient("storage is unavailable")
	errBroken = errors.New("storage refuses")
)

// memoryLease is the lease of one log.
type memoryLease struct {
	m           *memory
	name, token string
	held        context.Context
}

func (l *memoryLease) Context() context.Context { return l.held }

func (m *memory) Acquire(_ context.Context, name string) (journal.Lease, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	log, there := m.logs[name]
	if m.holder[name] != "" {
		return nil, false, nil
	}
	if !there {
		m.logs[name] = nil
	}
	m.tokens++
	token := name + string(rune('a'+m.tokens))
	m.holder[name] = token
	held, cancel := context.WithCancelCause(context.Background())
	m.cancel[token] = cancel
	return &memoryLease{m, name, token, held}, len(log) == 0, nil
}

func (l *memoryLease) Append(_ context.Context, at int64, data []byte) error {
	m, name, token := l.m, l.name, l.token
	m.mu.Lock()
	defer m.mu.Unlock()
	m.appends++
	log := m.logs[name]
	switch {
	case m.broken != nil:
		return m.broken
	case m.away > 0:
		m.away--
		return errAway
	case m.holder[name] != token:
		return errors.New("the lease has another holder")
	case int64(len(log)) != at && bytes.Equal(log[min(at, int64(len(log))):], data):
		return nil
	case int64(len(log)) != at:
		return errors.New("the log has another length")
	}
	m.logs[name] = append(log, data...)
	if m.lost > 0 {
		m.lost--
		return errAway
	}
	return nil
}

func (l *memoryLease) Release() {
	m, token := l.m, l.token
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, t := range m.holder {
		if t == token {
			delete(m.holder, name)
			m.cancel[token](context.Canceled)
		}
	}
}

// lose takes the lease from its holder.
func (m *memory) lose(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cancel[m.holder[name]](errors.New("not renewed in time"))
	delete(m.holder, name)
}

func (m *memory) Read(_ context.Context, name string) (io.ReadCloser, int64, error) {
	log, there := m.get(name)
	if !there {
		return nil, -1, nil
	}
	return io.NopCloser(bytes.NewReader(log)), int64(len(log)), nil
}

func (m *memory) Tail(_ context.Context, name string, n int64) ([]byte, int64, error) {
	log, there := m.get(name)
	if !there {
		return nil, -1, nil
	}
	return log[max(0, int64(len(log))-n):], int64(len(log)), nil
}

func (m *memory) get(name string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	log, there := m.logs[name]
	return bytes.Clone(log), there
}
