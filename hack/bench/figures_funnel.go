package main

var funnelFigures = []figure{
	{
		name: "funnel_track", pkg: "./internal/app/funnel", benchmark: "BenchmarkTrack",
		metric: "ns/op", scale: 1, unit: "ns", peer: "BenchmarkChannelSend", peerName: "bare_channel_send",
	},
}
