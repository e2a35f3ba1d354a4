package main

var flagFigures = []figure{
	{
		name: "flag_evaluate_static", pkg: "./internal/flagd", benchmark: "BenchmarkEvaluateStatic",
		metric: "ns/op", scale: 1, unit: "ns", peer: "BenchmarkMapLookup", peerName: "bare_map_lookup",
	},
}
