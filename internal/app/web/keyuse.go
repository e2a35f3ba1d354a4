package web

import (
	"context"
	"sync"
	"time"
)

const (
	// useEvery is how often the times at which keys were used are stored.
	useEvery = 30 * time.Second
	// listenPause is how long to wait before listening again.
	listenPause = 2 * time.Second
	flushWait   = 2 * time.Second
)

// keyUse gathers when keys were used.
type keyUse struct {
	mu   sync.Mutex
	used map[int64]time.Time
}

func (u *keyUse) touch(id int64, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.used == nil {
		u.used = map[int64]time.Time{}
	}
	u.used[id] = at
}

func (u *keyUse) take() map[int64]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	used := u.used
	u.used = nil
	return used
}

// giveBack keeps what could not be stored, unless something newer is there.
func (u *keyUse) giveBack(used map[int64]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.used == nil {
		u.used = map[int64]time.Time{}
	}
	for id, at := range used {
		if at.After(u.used[id]) {
			u.used[id] = at
		}
	}
}

// run is described at Server.Run.
func (s *server) run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { s.limits.Run(ctx) })
	group.Go(func() { s.listen(ctx) })
	tick := time.NewTicker(useEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			s.flushUse(ctx)
		}
	}
	group.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWait)
	defer cancel()
	s.flushUse(last)
}

func (s *server) flushUse(ctx context.Context) {
	used := s.use.take()
	if err := s.d.KeyUse.TouchKeys(ctx, used); err != nil {
		s.use.giveBack(used)
		s.d.Log.WarnContext(ctx, "the times at which keys were used are stored later", "error", err)
	}
}

// listen hears which keys changed. While it cannot, keyFresh bounds how long a
// change goes unnoticed.
func (s *server) listen(ctx context.Context) {
	deaf := false
	for {
		err := s.d.KeyUse.ListenKeys(ctx, func() { s.keys.doubt(); deaf = false }, s.keys.forget)
		if ctx.Err() != nil {
			return
		}
		if !deaf {
			s.d.Log.WarnContext(ctx, "changes of API keys are not told at the moment and take some seconds", "error", err)
		}
		deaf = true
		select {
		case <-ctx.Done():
			return
		case <-time.After(listenPause):
		}
	}
}
