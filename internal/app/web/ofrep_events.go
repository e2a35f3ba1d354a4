package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

const (
	// maxStreams bounds the open event streams of one process, and
	// maxClientStreams those of one client's address: an office behind one
	// address finds room, and nobody takes it all.
	maxStreams       = 2000
	maxClientStreams = 200
	// streamLife is how long a stream stays open; the client then connects
	// again and learns what it missed. It is below the server's time-outs.
	streamLife = 25 * time.Second
	// streamRetrySeconds is when a client that found no room is to come back.
	streamRetrySeconds = 30
)

// streams counts the open event streams by client. It is ready when zero.
type streams struct {
	mu   sync.Mutex
	open int
	by   map[netip.Addr]int
}

func (s *streams) enter(client netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxStreams || s.by[client] >= maxClientStreams {
		return false
	}
	if s.by == nil {
		s.by = map[netip.Addr]int{}
	}
	s.open++
	s.by[client]++
	return true
}

func (s *streams) leave(client netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.by[client]--; s.by[client] == 0 {
		delete(s.by, client)
	}
}

// ofrepStream tells clients when to evaluate again. Its events name the flags'
// digest and nothing of their content, so it asks for no key: browsers could
// send none. A client that connects again says by its Last-Event-ID what it
// knows, and hears at once when that is no longer so.
func (s *server) ofrepStream(w http.ResponseWriter, r *http.Request) {
	client := s.clientAddr(r)
	if !s.streams.enter(client) {
		s.refuse(w, r, "", &ofrepError{
			status: http.StatusTooManyRequests, code: string(flagd.General), retry: streamRetrySeconds,
			details: "too many event streams are open; poll or come back later",
		})
		return
	}
	defer s.streams.leave(client)
	changed, digest := s.d.Evaluator.Changed(), s.d.Evaluator.Status().Digest
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // proxies would hold events back
	send := func(text string) bool {
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return http.NewResponseController(w).Flush() == nil
	}
	greeting := "retry: 1000\nid: " + digest + "\n\n"
	if known := r.Header.Get("Last-Event-ID"); known != "" && known != digest {
		greeting = "retry: 1000\n" + refetch(digest, s.d.Now())
	}
	if !send(greeting) {
		return
	}
	end := time.NewTimer(streamLife)
	defer end.Stop()
	for {
		select {
		case <-changed:
			changed, digest = s.d.Evaluator.Changed(), s.d.Evaluator.Status().Digest
			if !send(refetch(digest, s.d.Now())) {
				return
			}
		case <-end.C:
			return
		case <-s.d.Stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// refetch is the event that asks a client to evaluate again.
func refetch(digest string, at time.Time) string {
	data, err := json.Marshal(map[string]any{"type": "refetchEvaluation", "etag": digest, "lastModified": at.Unix()})
	if err != nil { // texts and numbers do not fail
		panic(err)
	}
	return fmt.Sprintf("event: message\nid: %s\ndata: %s\n\n", digest, data)
}
