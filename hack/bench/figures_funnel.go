package main

var funnelFigures = []figure{
	{
		name: "funnel_track", pkg: "./internal/app/funnel", benchmark: "BenchmarkTrack",
		metric: "ns/op", scale: 1, unit: "ns", peer: "BenchmarkChannelSend", peerName: "bare_channel_send",
	},
	{
		name: "funnel_track_call", pkg: "./internal/app/funnel", benchmark: "BenchmarkTrackCall",
		metric: "ns/op", scale: 1, unit: "ns", peer: "BenchmarkChannelSend", peerName: "bare_channel_send",
	},
	{
		name: "durable_ingest", pkg: "./internal/app/ingest", benchmark: "BenchmarkDurableIngest",
		metric: "events/s", scale: 1, unit: "events/s", peer: "BenchmarkCopy", peerName: "raw_copy",
	},
	{
		name: "event_until_fsync", pkg: "./internal/app/web", benchmark: "BenchmarkEventPaused",
		metric: "req/s", scale: 1, unit: "req/s", peer: "BenchmarkEmptyEvent", peerName: "empty_handler",
	},
	{
		name: "event_sustained", pkg: "./internal/app/web", benchmark: "BenchmarkEventSustained",
		metric: "req/s", scale: 1, unit: "req/s", peer: "BenchmarkEmptyEvent", peerName: "empty_handler",
	},
	{
		name: "spool_append", pkg: "./internal/app/ingest", benchmark: "BenchmarkAppend",
		metric: "events/s", scale: 1, unit: "events/s",
	},
	{
		name: "spooled_million_memory", pkg: "./internal/app/ingest", benchmark: "BenchmarkSpooledMemory",
		metric: "MiB", scale: 1, unit: "MiB",
	},
}
