package main

var alertFigures = []figure{
	{
		name: "render_baseline_13_alerts", pkg: "./internal/render/alerts", benchmark: "BenchmarkRules13",
		metric: "ns/op", scale: 1e-6, unit: "ms", peer: "BenchmarkRules13Validated", peerName: "with_its_promql_parsed",
	},
}
