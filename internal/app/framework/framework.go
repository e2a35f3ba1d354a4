// Package framework finds out which test framework a project uses, from the
// files that declare its dependencies.
package framework

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Project is what is known of a project; every part may be missing.
type Project struct {
	// DevDependencies and Dependencies are those of package.json.
	DevDependencies, Dependencies map[string]string
	// VitestInclude and JestTestMatch are where package.json says tests lie.
	VitestInclude, JestTestMatch []string
	Gemfile, Requirements        string
	// ConfigFiles are names of files.
	ConfigFiles []string
}

// Empty says whether nothing is known.
func (p Project) Empty() bool {
	return len(p.DevDependencies) == 0 && len(p.Dependencies) == 0 && strings.TrimSpace(p.Gemfile) == "" &&
		strings.TrimSpace(p.Requirements) == "" && len(p.ConfigFiles) == 0
}

// Found is the framework of a project.
type Found struct {
	Framework string
	// Version is empty when it is not said.
	Version string
	TestDir string
	// CompatibleWith are frameworks of the same kind that the project has too.
	CompatibleWith []string
}

// known are the frameworks, the one that decides first.
var known = []struct{ name, dir string }{
	{"vitest", "test/"},
	{"jest", "__tests__/"},
	{"mocha", "test/"},
	{"rspec", "spec/"},
	{"minitest", "test/"},
	{"pytest", "tests/"},
	{"unittest", "tests/"},
}

var configs = map[string]string{
	"vitest.config.ts": "vitest", "vitest.config.js": "vitest", "vitest.config.mjs": "vitest", "vitest.config.mts": "vitest",
	"jest.config.js": "jest", "jest.config.ts": "jest", "jest.config.json": "jest", "jest.config.mjs": "jest", "jest.config.cjs": "jest",
	".mocharc.json": "mocha", ".mocharc.js": "mocha", ".mocharc.cjs": "mocha", ".mocharc.yml": "mocha", "mocha.opts": "mocha",
	"pytest.ini": "pytest", "pyproject.toml": "pytest", "setup.cfg": "pytest", ".rspec": "rspec", "spec_helper.rb": "rspec",
}

// Detect finds the framework; false says that there is none.
func Detect(p Project) (Found, bool) {
	versions := map[string]string{}
	for _, file := range p.ConfigFiles {
		if name := configs[path.Base(strings.ReplaceAll(file, `\`, "/"))]; name != "" {
			versions[name] = ""
		}
	}
	for _, found := range []map[string]string{
		npm(p.Dependencies), npm(p.DevDependencies), gems(p.Gemfile), requirements(p.Requirements),
	} {
		maps.Copy(versions, found)
	}
	var found Found
	for _, k := range known {
		version, ok := versions[k.name]
		switch {
		case !ok:
		case found.Framework == "":
			found = Found{Framework: k.name, Version: version, TestDir: k.dir, CompatibleWith: []string{}}
		default:
			found.CompatibleWith = append(found.CompatibleWith, k.name)
		}
	}
	if dir := customDir(p, found.Framework); dir != "" {
		found.TestDir = dir
	}
	return found, found.Framework != ""
}

func npm(dependencies map[string]string) map[string]string {
	found := map[string]string{}
	for _, name := range []string{"vitest", "jest", "mocha"} {
		if version, ok := dependencies[name]; ok {
			found[name] = strings.TrimLeft(version, "^~=><! ")
		}
	}
	return found
}

var gemPattern = regexp.MustCompile(`^\s*gem\s*\(?\s*['"]([\w-]+)['"](?:\s*,\s*['"]([^'"]+)['"])?`)

func gems(gemfile string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(gemfile) {
		match := gemPattern.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		name := map[string]string{"rspec": "rspec", "rspec-rails": "rspec", "minitest": "minitest"}[match[1]]
		if name != "" && found[name] == "" {
			found[name] = match[2]
		}
	}
	return found
}

var requirementPattern = regexp.MustCompile(`^\s*(pytest|unittest2?)\s*(?:\[[^\]]*\])?\s*(?:(?:==|>=|<=|~=)\s*([\w.*]+))?\s*(?:[,;#].*)?$`)

func requirements(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		if match := requirementPattern.FindStringSubmatch(strings.TrimRight(line, "\r\n")); match != nil {
			found[strings.TrimSuffix(match[1], "2")] = match[2]
		}
	}
	return found
}

// customDir is the part of a pattern before its first star.
func customDir(p Project, framework string) string {
	patterns := map[string][]string{"vitest": p.VitestInclude, "jest": p.JestTestMatch}[framework]
	index := slices.IndexFunc(patterns, func(s string) bool { return strings.Contains(s, "*") })
	if index < 0 {
		return ""
	}
	dir, _, _ := strings.Cut(patterns[index], "*")
	return strings.TrimPrefix(strings.TrimPrefix(dir, "<rootDir>/"), "./")
}
