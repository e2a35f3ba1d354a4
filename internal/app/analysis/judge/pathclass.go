package judge

import (
	"slices"
	"strings"
)

// PathClass is what kind of file a path names.
type PathClass string

// The classes of paths.
const (
	Vendor      PathClass = "vendor"
	Test        PathClass = "test"
	Config      PathClass = "config"
	Application PathClass = "application"
)

var (
	vendorDirs  = []string{"vendor", "node_modules", "bower_components", "dist", "build"}
	vendorPairs = []string{"assets/vendor", "lib/third-party", "public/vendor", "static/vendor"}
	testDirs    = []string{"test", "tests", "spec", "__tests__", "__test__", "e2e", "integration", "fixtures", "mocks", "stubs"}
	testNames   = []string{".test.", ".spec.", "_test.", "_spec."}
	configNames = []string{".config.", "webpack.", "rollup.", "gulpfile", "Gruntfile", ".eslintrc", ".babelrc", "tsconfig.", "jest.config"}
	vendorEnds  = []string{".min.js", ".min.css", "-min.js"}
)

// ClassOf classifies a path by its directories, wherever it begins, and by the
// name of the file.
func ClassOf(path string) PathClass {
	path = strings.ReplaceAll(path, `\`, "/")
	dirs := strings.Split(path, "/")
	name := dirs[len(dirs)-1]
	dirs = dirs[:len(dirs)-1]
	in := func(names []string) bool {
		return slices.ContainsFunc(dirs, func(d string) bool { return slices.Contains(names, d) })
	}
	joined := "/" + strings.Join(dirs, "/") + "/"
	switch {
	case in(vendorDirs) || slices.ContainsFunc(vendorPairs, func(p string) bool { return strings.Contains(joined, "/"+p+"/") }) ||
		slices.ContainsFunc(vendorEnds, func(end string) bool { return strings.HasSuffix(name, end) }):
		return Vendor
	case in(testDirs) || containsAny(name, testNames) || strings.HasPrefix(name, "test_") && strings.HasSuffix(name, ".py"):
		return Test
	case in([]string{"config"}) || containsAny(name, configNames):
		return Config
	default:
		return Application
	}
}

func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}

// Multiplier scales the confidence of findings in files of a class.
func (c PathClass) Multiplier() float64 {
	switch c {
	case Vendor:
		return 0.1
	case Test:
		return 0.2
	case Config:
		return 0.5
	default:
		return 1
	}
}

// filters says whether a finding of this confidence is left out.
func (c PathClass) filters(confidence float64) bool {
	return c == Vendor && confidence < 0.3 || c == Test && confidence < 0.4
}
