package main

import "slices"

const (
	judgePkg  = "./internal/app/analysis/judge"
	insertPkg = "./internal/app/analysis/insert"
)

var analysisFigures = slices.Concat([]figure{
	{
		name: "validate_50_findings_p95", pkg: judgePkg, benchmark: "BenchmarkJudgeFifty", metric: "p95-ms", scale: 1, unit: "ms",
		peer: "BenchmarkParseFive", peerName: "parsing_alone",
	},
	{
		name: "validate_50_findings_p95_by_the_clock", pkg: judgePkg, benchmark: "BenchmarkJudgeFifty", metric: "p95-wall-ms", scale: 1, unit: "ms",
		peer: "BenchmarkParseFive", peerName: "parsing_alone",
	},
	{
		name: "generate_tests", pkg: insertPkg, benchmark: "BenchmarkGenerate", metric: "cpu-ms", scale: 1, unit: "ms",
		peer: "BenchmarkParseSuite", peerName: "parsing_alone",
	},
	{
		name: "generate_tests_by_the_clock", pkg: insertPkg, benchmark: "BenchmarkGenerate", metric: "ns/op", scale: 1e-6, unit: "ms",
		peer: "BenchmarkParseSuite", peerName: "parsing_alone",
	},
}, corpusFigures())

// corpusFigures are those of the corpus, beside the original's rules.
func corpusFigures() []figure {
	var out []figure
	for _, group := range []string{
		"all_findings",
		"type_sql_injection", "type_nosql_injection", "type_xss", "type_code_injection", "type_command_injection", "type_path_traversal", "type_ssrf", "type_open_redirect",
		"type_ldap_injection", "type_xpath_injection", "type_xxe", "type_insecure_deserialization", "type_timing_attack", "type_hardcoded_secret", "type_weak_hash",
		"type_weak_randomness", "type_insecure_cookie",
		"language_javascript", "language_typescript", "language_python", "language_ruby", "language_php", "language_java", "language_go",
	} {
		for _, metric := range []string{"precision", "recall", "youden"} {
			out = append(out, figure{
				name: "corpus_" + metric + "_" + group, pkg: judgePkg, benchmark: "BenchmarkCorpus/ours/" + group, metric: metric, scale: 1, unit: "of_1",
				peer: "BenchmarkCorpus/original/" + group, peerName: "original_rules",
			})
		}
	}
	return out
}
