package main

// What an authenticated request costs beside its work, and how many exchanges
// of credentials a process does beside a handler that does nothing.
var apiFigures = []figure{
	{
		name: "api_request_overhead_p99", pkg: "./internal/app/web", benchmark: "BenchmarkAuthenticated",
		metric: "p99-ns", scale: 0.001, unit: "us",
	},
	{
		name: "api_request_overhead_cpu", pkg: "./internal/app/web", benchmark: "BenchmarkAuthenticated",
		metric: "cpu-ns", scale: 0.001, unit: "us",
	},
	{
		name: "credentials_exchange", pkg: "./internal/app/web", benchmark: "BenchmarkExchange",
		metric: "req/s", scale: 1, unit: "req/s", peer: "BenchmarkEmpty", peerName: "empty_handler",
	},
	{
		name: "rate_limit_take", pkg: "./internal/app/ratelimit", benchmark: "BenchmarkTake",
		metric: "ns/op", scale: 1, unit: "ns",
	},
}
