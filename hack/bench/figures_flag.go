package main

const (
	enginePkg   = "./internal/flagd"
	flagsPkg    = "./controllers/featureflag"
	storiesPkg  = "./test/e2e"
	propagation = "^(TestFlagsPropagateWithinSeconds|TestPlainKubeletRefresh)$"
)

var flagFigures = []figure{
	{
		name: "flag_evaluate_static", pkg: enginePkg, benchmark: "BenchmarkEvaluateStatic",
		metric: "ns/op", scale: 1, unit: "ns", peer: "BenchmarkMapLookup", peerName: "bare_map_lookup",
	},
	{name: "flag_evaluate_static_allocations", pkg: enginePkg, benchmark: "BenchmarkEvaluateStatic", metric: "allocs/op", scale: 1, unit: "allocs"},
	{
		name: "flag_evaluate_targeting", pkg: enginePkg, benchmark: "BenchmarkEvaluateTargeting",
		metric: "ns/op", scale: 1, unit: "ns", peer: "BenchmarkInterpretedTargeting", peerName: "interpreting_json_logic",
	},
	{name: "flag_evaluate_actors_and_groups", pkg: enginePkg, benchmark: "BenchmarkEvaluateActorsAndGroups", metric: "ns/op", scale: 1, unit: "ns"},
	{name: "flag_evaluate_fractional", pkg: enginePkg, benchmark: "BenchmarkEvaluateFractional", metric: "ns/op", scale: 1, unit: "ns"},
	{name: "flag_evaluate_bulk_1000_flags", pkg: enginePkg, benchmark: "BenchmarkEvaluateBulk", metric: "ns/op", scale: 1e-6, unit: "ms"},
	{name: "flags_10000_cold_reconcile", pkg: flagsPkg, benchmark: "BenchmarkTenThousandFlags", metric: "cold-s", scale: 1, unit: "s"},
	{name: "flags_10000_cold_configmap_writes", pkg: flagsPkg, benchmark: "BenchmarkTenThousandFlags", metric: "configmap-writes", scale: 1, unit: "writes"},
	{name: "flags_10000_one_edit_published", pkg: flagsPkg, benchmark: "BenchmarkTenThousandFlags", metric: "edit-ms", scale: 1, unit: "ms"},
	{
		name: "flag_propagation_p50", pkg: storiesPkg, cluster: propagation, benchmark: "BenchmarkFlagPropagation",
		metric: "p50-ms", scale: 1, unit: "ms", peer: "BenchmarkPlainKubeletRefresh", peerName: "plain_kubelet_refresh",
	},
	{
		name: "flag_propagation_p99", pkg: storiesPkg, cluster: propagation, benchmark: "BenchmarkFlagPropagation",
		metric: "p99-ms", scale: 1, unit: "ms", peer: "BenchmarkPlainKubeletRefresh", peerName: "plain_kubelet_refresh",
	},
}
