package drill

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy stands between the app and its database, and makes it answer late or
// not at all.
type Proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	delay  time.Duration
	silent chan struct{} // closed when answers pass again; nil while they do
}

// OpenProxy listens on a free port of a host and forwards to target.
func OpenProxy(ctx context.Context, host, target string) (*Proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, target: target}
	go p.accept()
	return p, nil
}

// Address that the app connects to.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Slow makes every answer of the database take this much longer.
func (p *Proxy) Slow(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// Silent holds every answer back, or ends that. Whoever connects meanwhile
// waits, too: so is a network that loses everything.
func (p *Proxy) Silent(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case silent && p.silent == nil:
		p.silent = make(chan struct{})
	case !silent && p.silent != nil:
		close(p.silent)
		p.silent = nil
	}
}

// Close takes no more connections, and lets held answers go.
func (p *Proxy) Close() error {
	p.Silent(false)
	return p.listener.Close()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close() //nolint:errcheck // nothing is left to be said on it
	// Bounded by the connection that it serves, not by a context.
	server, err := net.DialTimeout("tcp", p.target, 10*time.Second) //nolint:noctx // as said
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // nothing is left to be said on it
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(server, client) // ends when either side does
		_ = server.Close()
		close(gone)
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if !p.pass(gone) {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// pass waits until an answer may go on; false says that nobody waits for it any
// more.
func (p *Proxy) pass(gone <-chan struct{}) bool {
	p.mu.Lock()
	delay, silent := p.delay, p.silent
	p.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	if silent == nil {
		return true
	}
	select {
	case <-silent:
		return true
	case <-gone:
		return false
	}
}
