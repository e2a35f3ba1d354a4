package main

import "testing"

func TestLine(t *testing.T) {
	t.Parallel()
	r := parse([]byte(`goos: linux
BenchmarkOurs-2   	 1000	   1500000 ns/op	  12 B/op	  1 allocs/op
BenchmarkTheirs-2 	 1000	   3000000 ns/op
PASS
`))
	f := figure{name: "render", benchmark: "BenchmarkOurs", metric: "ns/op", scale: 1e-6, unit: "ms", peer: "BenchmarkTheirs", peerName: "other"}
	line, err := f.line(r)
	if want := "render 1.5 ms | other 3 ms | 0.5"; err != nil || line != want {
		t.Errorf("line() = %q, %v, want %q", line, err, want)
	}
	f.peer = "BenchmarkGone"
	if _, err := f.line(r); err == nil {
		t.Error("line() of a figure whose peer was not measured = nil error, want one")
	}
}
