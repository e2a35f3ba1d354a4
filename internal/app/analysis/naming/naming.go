// Package naming says where a test belongs: how well a candidate test file fits
// a source file, and what a new one is called. It is pure.
package naming

import (
	"path"
	"strings"
	"unicode"
)

// Frameworks are the test frameworks that are known.
var Frameworks = []string{"rspec", "vitest", "jest", "pytest", "mocha", "minitest", "unittest", "phpunit", "junit", "exunit", "gotest"}

// Framework reads a framework's name in any case; "go" and "go test" are gotest.
func Framework(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "go", "go test", "go-test", "testing":
		return "gotest"
	case "junit4", "junit5":
		return "junit"
	}
	return name
}

// File names a new test file and its folder, for a source file, a type of
// vulnerability and a framework.
func File(source, kind, framework string) (name, folder string) {
	base := path.Base(strings.ReplaceAll(source, `\`, "/"))
	module, _, _ := strings.Cut(strings.TrimPrefix(base, "."), ".")
	ext := path.Ext(base)
	switch Framework(framework) {
	case "rspec", "minitest":
		return Snake(module) + "_" + Snake(kind) + "_spec.rb", "spec/security/"
	case "jest", "vitest", "mocha":
		switch ext {
		case ".ts", ".tsx", ".js", ".jsx":
		default:
			ext = ".js"
		}
		return Pascal(module) + "." + camel(kind) + ".test" + ext, "__tests__/security/"
	case "pytest", "unittest":
		return "test_" + Snake(kind) + "_" + Snake(module) + ".py", "tests/security/"
	case "phpunit":
		return Pascal(module) + Pascal(kind) + "Test.php", "tests/Security/"
	case "junit":
		return Pascal(module) + Pascal(kind) + "Test.java", "src/test/java/security/"
	case "exunit":
		return Snake(module) + "_" + Snake(kind) + "_test.exs", "test/security/"
	case "gotest": // Go's tests lie beside what they test
		dir := path.Dir(strings.ReplaceAll(source, `\`, "/"))
		return Snake(module) + "_" + Snake(kind) + "_test.go", strings.TrimPrefix(dir+"/", "./")
	default:
		return Snake(module) + "_" + Snake(kind) + "_test" + ext, "tests/security/"
	}
}

// Snake puts an underscore before each capital: refundWorker is refund_worker.
func Snake(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '-' || r == '_' || r == ' ':
			b.WriteByte('_')
		case unicode.IsUpper(r):
			b.WriteByte('_')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	out := b.String()
	for strings.Contains(out, "__") {
		out = strings.ReplaceAll(out, "__", "_")
	}
	return strings.TrimLeft(out, "_")
}

// words splits where a small letter meets a capital, and at - and _.
func words(text string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	var before rune
	for _, r := range text {
		switch {
		case r == '-' || r == '_' || r == ' ':
			flush()
			before = 0
			continue
		case unicode.IsUpper(r) && unicode.IsLower(before):
			flush()
		}
		b.WriteRune(r)
		before = r
	}
	flush()
	return out
}

// Pascal capitalises each word and lowers the rest: cart-line is CartLine.
func Pascal(text string) string {
	var b strings.Builder
	for _, w := range words(text) {
		runes := []rune(strings.ToLower(w))
		runes[0] = unicode.ToUpper(runes[0])
		b.WriteString(string(runes))
	}
	return b.String()
}

func camel(text string) string {
	runes := []rune(Pascal(text))
	if len(runes) > 0 {
		runes[0] = unicode.ToLower(runes[0])
	}
	return string(runes)
}
