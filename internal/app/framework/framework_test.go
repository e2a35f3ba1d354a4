package framework

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDetect(t *testing.T) {
	t.Parallel()
	none := []string{}
	for name, tt := range map[string]struct {
		project Project
		want    Found
	}{
		"vitest before jest": {
			Project{DevDependencies: map[string]string{"jest": "~29.7.0", "vitest": "^1.2.3"}},
			Found{"vitest", "1.2.3", "test/", []string{"jest"}},
		},
		"jest by its config":  {Project{ConfigFiles: []string{"web/jest.config.ts"}}, Found{"jest", "", "__tests__/", none}},
		"a dependency counts": {Project{Dependencies: map[string]string{"mocha": ">=10"}}, Found{"mocha", "10", "test/", none}},
		"a custom folder": {
			Project{DevDependencies: map[string]string{"vitest": "1"}, VitestInclude: []string{"src/checks/**/*.test.ts"}},
			Found{"vitest", "1", "src/checks/", none},
		},
		"the root of jest": {
			Project{DevDependencies: map[string]string{"jest": "29"}, JestTestMatch: []string{"<rootDir>/specs/*.js"}},
			Found{"jest", "29", "specs/", none},
		},
		"a gem keeps its constraint": {Project{Gemfile: "source 'x'\ngem 'rspec-rails', '~> 6.0'\n"}, Found{"rspec", "~> 6.0", "spec/", none}},
		"minitest":                   {Project{Gemfile: `gem "minitest"`}, Found{"minitest", "", "test/", none}},
		"requirements":               {Project{Requirements: "flask==2\npytest~=8.1 # tests\n"}, Found{"pytest", "8.1", "tests/", none}},
		"a bare requirement":         {Project{Requirements: "pytest\r\n"}, Found{"pytest", "", "tests/", none}},
		"spec helper":                {Project{ConfigFiles: []string{"spec/spec_helper.rb"}}, Found{"rspec", "", "spec/", none}},
	} {
		got, ok := Detect(tt.project)
		if diff := cmp.Diff(tt.want, got); diff != "" || !ok {
			t.Errorf("%s: %v %s", name, ok, diff)
		}
	}
	for _, p := range []Project{{}, {Requirements: "pytest-django==1\n"}, {Gemfile: "# gem 'rspec'"}, {ConfigFiles: []string{"Makefile"}}} {
		if got, ok := Detect(p); ok {
			t.Errorf("%+v gives %+v", p, got)
		}
	}
}
