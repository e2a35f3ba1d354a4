package main

const rolloutRoom = "./controllers/rsolvdeployment"

var rolloutFigures = []figure{
	{
		name: "reconcile_100_apps_p50", pkg: rolloutRoom, benchmark: "BenchmarkHundredApps",
		metric: "p50-ms", scale: 1, unit: "ms", peer: "BenchmarkOneRead", peerName: "one_read_of_the_api_server",
	},
	{
		name: "reconcile_100_apps_p99", pkg: rolloutRoom, benchmark: "BenchmarkHundredApps",
		metric: "p99-ms", scale: 1, unit: "ms", peer: "BenchmarkOneRead", peerName: "one_read_of_the_api_server",
	},
	{
		name: "reconciles_per_app_until_ready", pkg: rolloutRoom, benchmark: "BenchmarkHundredApps",
		metric: "reconciles/app", scale: 1, unit: "reconciles",
	},
	{
		name: "api_writes_per_idle_minute", pkg: rolloutRoom, benchmark: "BenchmarkHundredApps",
		metric: "writes/idle-minute", scale: 1, unit: "writes",
	},
	{
		name: "reconciles_per_idle_minute", pkg: rolloutRoom, benchmark: "BenchmarkHundredApps",
		metric: "reconciles/idle-minute", scale: 1, unit: "reconciles",
	},
}
