package main

var alertFigures = []figure{
	{
		name: "render_baseline_13_alerts", pkg: "./internal/render/alerts", benchmark: "BenchmarkRules13",
		metric: "ns/op", scale: 1e-6, unit: "ms", peer: "BenchmarkRules13Validated", peerName: "with_its_promql_parsed",
	},
	{
		name: "baselines_1000_cold", pkg: "./controllers/alertbaseline", benchmark: "BenchmarkThousandBaselines",
		metric: "s-cold", scale: 1, unit: "s",
	},
	{
		name: "baselines_1000_idle", pkg: "./controllers/alertbaseline", benchmark: "BenchmarkThousandBaselines",
		metric: "writes/h", scale: 1, unit: "writes/h",
	},
	{
		name: "baselines_1000_one_edit_until_ready", pkg: "./controllers/alertbaseline", benchmark: "BenchmarkThousandBaselines",
		metric: "ms-edit", scale: 1, unit: "ms",
	},
}
