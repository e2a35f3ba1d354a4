package flagd

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// subject is the context of the tests of single operations.
func subject() *Context {
	return &Context{
		TargetingKey: "user:1",
		Time:         time.Unix(1_700_000_000, 0),
		Attributes: map[string]any{
			"email": "ada@example.com", "age": 36, "score": 1.5, "vip": true, "empty": "", "nothing": nil, "zero": 0,
			"groups": []string{"early_access", "admin"},
			"list":   []any{1.0, 2.0, 3.0},
			"orders": []any{map[string]any{"total": 10.0}, map[string]any{"total": json.Number("25")}},
			"user":   map[string]any{"name": "Ada", "plan": map[string]any{"tier": "gold"}},
			"odd":    make(chan int),
		},
	}
}

// run compiles and evaluates a rule, whatever it gives.
func run(tb testing.TB, rule string, context *Context) any {
	tb.Helper()
	tree, err := parseTree(json.RawMessage(rule))
	if err != nil {
		tb.Fatalf("%s: %v", rule, err)
	}
	compiled, problem := (&compiler{}).expression(tree, "targeting", 0)
	if problem != nil {
		tb.Fatalf("%s: %v", rule, problem)
	}
	m := machine{key: "blog", context: context, left: MaxSteps}
	value := compiled.run(&m, context)
	if m.left < 0 {
		tb.Fatalf("%s: out of steps", rule)
	}
	return value
}

func TestOperators(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]any{
		// var
		`{"var": "email"}`: "ada@example.com", `{"var": ["email"]}`: "ada@example.com", `{"var": "age"}`: 36.0,
		`{"var": "user.plan.tier"}`: "gold", `{"var": "user.plan.none"}`: nil, `{"var": "email.none"}`: nil,
		`{"var": ["none", "else"]}`: "else", `{"var": ["nothing", 3]}`: 3.0, `{"var": ["none", {"var": "vip"}]}`: true,
		`{"var": "list.1"}`: 2.0, `{"var": "list.3"}`: nil, `{"var": "list.-1"}`: nil, `{"var": "list.x"}`: nil, `{"var": "orders.1.total"}`: 25.0,
		`{"var": "targetingKey"}`: "user:1", `{"var": "$flagd.flagKey"}`: "blog", `{"var": "$flagd.timestamp"}`: 1.7e9, `{"var": "odd"}`: nil,
		`{"var": {"cat": ["em", "ail"]}}`: "ada@example.com", `{"var": [{"cat": ["no", "ne"]}, 1]}`: 1.0,
		`{"map": [[5, 6], {"var": ""}]}`: []any{5.0, 6.0}, `{"filter": [[1, 2], {"var": []}]}`: []any{1.0, 2.0}, `{"==": [{"var": 0}, null]}`: true,
		// missing
		`{"missing": ["email", "none", "empty"]}`: []any{"none", "empty"}, `{"missing": "none"}`: []any{"none"}, `{"missing": []}`: []any{},
		`{"missing": {"merge": ["age", "phone"]}}`: []any{"phone"}, `{"missing_some": [1, ["email", "phone"]]}`: []any{}, `{"missing_some": [2, ["email", "phone"]]}`: []any{"phone"},
		// choices
		`{"if": [true, "a"]}`: "a", `{"if": [false, "a"]}`: nil, `{"if": [false, "a", "b"]}`: "b", `{"if": [0, "a", "", "b", [], "c", "d"]}`: "d",
		`{"if": [null, 1, "0", 2, 3]}`: 2.0, `{"if": "a"}`: "a", `{"?:": [{"var": "vip"}, "a", "b"]}`: "a",
		`{"and": [1, "a", 3]}`: 3.0, `{"and": [1, "", 3]}`: "", `{"or": [0, "", "a", 1]}`: "a", `{"or": [0, null]}`: nil,
		`{"!": [true]}`: false, `{"!": ""}`: true, `{"!!": "0"}`: true, `{"!!": [[]]}`: false, `{"!": {"var": "none"}}`: true, `{"!!": {"var": "user"}}`: true,
		// comparisons
		`{"==": [1, 1]}`: true, `{"==": [1, "1"]}`: true, `{"==": [1, "one"]}`: false, `{"==": ["a", "a"]}`: true, `{"==": [true, 1]}`: true, `{"==": [0, false]}`: true,
		`{"==": [null, 0]}`: false, `{"==": [null, {"var": "none"}]}`: true, `{"==": [[1], [1]]}`: false, `{"==": ["", 0]}`: true,
		`{"===": [1, 1]}`: true, `{"===": [1, "1"]}`: false, `{"===": [null, null]}`: true, `{"!=": [1, "1"]}`: false, `{"!==": [1, "1"]}`: true, `{"!=": [1, 2]}`: true,
		`{"<": [1, 2]}`: true, `{"<": [2, 1]}`: false, `{"<": ["a", "b"]}`: true, `{"<": ["10", 9]}`: false, `{"<": ["x", 9]}`: false, `{">=": ["x", 9]}`: false,
		`{"<": [null, 1]}`: true, `{"<=": [1, 1]}`: true, `{">": [2, 1]}`: true, `{">=": [1, 2]}`: false, `{"<": [1, 2, 3]}`: true, `{"<": [1, 1, 3]}`: false,
		`{"<=": [1, 1, 3]}`: true, `{">": [3, 2, 1]}`: true, `{">=": [3, 3, 4]}`: false, `{"<": [[], 1]}`: false, `{"<": ["0x10", 99]}`: false, `{"<": ["inf", 1e9]}`: false,
		`{">=": [{"var": "$flagd.timestamp"}, 1700000000]}`: true, `{"<=": ["a", "b", "c"]}`: true,
		// numbers
		`{"+": [1, 2, "3"]}`: 6.0, `{"+": "3.5"}`: 3.5, `{"-": [5, 2]}`: 3.0, `{"-": 2}`: -2.0, `{"*": [2, 3, 4]}`: 24.0, `{"/": [7, 2]}`: 3.5, `{"%": [7, 3]}`: 1.0, `{"%": [-7, 3]}`: -1.0,
		`{"max": [1, 3, 2]}`: 3.0, `{"min": [3, 1, 2]}`: 1.0, `{"max": {"var": "list"}}`: 3.0, `{"min": {"var": "none"}}`: 0.0, `{"max": {"filter": [[1], false]}}`: nil, `{"/": [1, 0]}`: math.Inf(1),
		// lists
		`{"map": [{"var": "list"}, {"*": [{"var": ""}, 2]}]}`: []any{2.0, 4.0, 6.0}, `{"map": [{"var": "none"}, 1]}`: []any{},
		`{"filter": [{"var": "list"}, {">": [{"var": ""}, 1]}]}`:                                        []any{2.0, 3.0},
		`{"reduce": [{"var": "list"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 10]}`:        16.0,
		`{"reduce": [{"var": "orders"}, {"+": [{"var": "current.total"}, {"var": "accumulator"}]}, 0]}`: 35.0,
		`{"reduce": [{"var": "none"}, 1, "initial"]}`:                                                   "initial",
		`{"reduce": [[1], {"var": "other"}, 0]}`:                                                        nil,
		`{"reduce": [[1], {"var": ""}, 0]}`:                                                             map[string]any{"current": 1.0, "accumulator": 0.0},
		`{"all": [{"var": "list"}, {">": [{"var": ""}, 0]}]}`:                                           true,
		`{"all": [[], true]}`:                                                    false,
		`{"all": [[1, 0], {"var": ""}]}`:                                         false,
		`{"some": [{"var": "orders"}, {">": [{"var": "total"}, 20]}]}`:           true,
		`{"some": [[], true]}`:                                                   false,
		`{"none": [{"var": "list"}, {">": [{"var": ""}, 3]}]}`:                   true,
		`{"none": [[], true]}`:                                                   true,
		`{"some": [{"var": "groups"}, {"in": [{"var": ""}, ["vip", "admin"]]}]}`: true,
		`{"merge": [[1, 2], 3, [[4]]]}`:                                          []any{1.0, 2.0, 3.0, []any{4.0}},
		`{"merge": []}`:                                                          []any{},
		`{"in": ["admin", {"var": "groups"}]}`:                                   true,
		`{"in": [2, {"var": "list"}]}`:                                           true,
		`{"in": ["2", {"var": "list"}]}`:                                         false,
		`{"in": ["example", {"var": "email"}]}`:                                  true,
		`{"in": [null, {"var": "email"}]}`:                                       false,
		`{"in": ["a", null]}`:                                                    false,
		`{"in": [{"var": "targetingKey"}, ["a", "b", "c", "d", "e", "f", "g", "h", "user:1"]]}`:                    true,
		`{"in": [{"var": "age"}, ["a", "b", "c", "d", "e", "f", "g", "h", "user:1"]]}`:                             false,
		`{"in": [{"var": "age"}, ["a", "b", "c", "d", "e", "f", "g", "h", 36]]}`:                                   true,
		`{"map": [[[1, {"var": "x"}], [2]], {"var": "0"}]}`:                                                        []any{1.0, 2.0},
		`{"filter": [[null, 1], {"!": {"var": ""}}]}`:                                                              []any{nil},
		`{"map": [[{"var": "age"}, {"var": "score"}], {"+": [{"var": ""}, 1]}]}`:                                   []any{37.0, 2.5},
		`{"some": [{"var": "orders"}, {"some": [[20, 25], {"==": [{"var": ""}, 25]}]}]}`:                           true,
		`{"reduce": [[2, 3], {"*": [{"var": "current"}, {"var": "accumulator"}]}, {"max": {"var": "list"}}]}`:      18.0,
		`{"reduce": [[1, 2], {"cat": [{"var": "accumulator"}, {"var": "current"}]}, ""]}`:                          "12",
		`{"filter": [{"var": "groups"}, {"starts_with": [{"var": ""}, "early"]}]}`:                                 []any{"early_access"},
		`{"all": [{"map": [{"var": "orders"}, {"var": "total"}]}, {">=": [{"var": ""}, 10]}]}`:                     true,
		`{"in": [{"substr": [{"var": "email"}, -11]}, ["example.com", "example.org"]]}`:                            true,
		`{"none": [{"filter": [{"var": "list"}, {"%": [{"var": ""}, 2]}]}, {"==": [{"%": [{"var": ""}, 2]}, 0]}]}`: true,
		// texts
		`{"cat": ["a", 1, true, null, 1.5]}`: "a1true1.5", `{"cat": [[1, [2], "x"], "-"]}`: "1,,x-", `{"cat": {"var": "list"}}`: "1,2,3", `{"cat": [1e21, " ", 1e-7]}`: "1e+21 1e-7", `{"cat": []}`: "", `{"cat": "x"}`: "x",
		`{"substr": ["jsonlogic", 4]}`: "logic", `{"substr": ["jsonlogic", -5]}`: "logic", `{"substr": ["jsonlogic", 1, 3]}`: "son", `{"substr": ["jsonlogic", 4, -2]}`: "log",
		`{"substr": ["äöü", 1, 1]}`: "ö", `{"substr": ["abc", 9]}`: "", `{"substr": ["abc", -9]}`: "abc", `{"substr": ["abc", 0, -9]}`: "", `{"substr": ["abc", {"/": [0, 0]}]}`: "abc", `{"substr": ["abc", 1e300]}`: "",
		`{"starts_with": [{"var": "email"}, "ada@"]}`: true, `{"starts_with": [{"var": "email"}, "bob@"]}`: false, `{"ends_with": [{"var": "email"}, ".com"]}`: true, `{"starts_with": [{"var": "age"}, "3"]}`: nil,
		// versions
		`{"sem_ver": ["1.2.3", "=", "v1.2.3"]}`: true, `{"sem_ver": ["V1.2.3", "=", "1.2.3+build"]}`: true, `{"sem_ver": ["2.0.0-alpha", "<", "2.0.0"]}`: true, `{"sem_ver": ["1.10.0", ">", "1.9.0"]}`: true,
		`{"sem_ver": ["1.0.0-alpha.1", "<", "1.0.0-alpha.beta"]}`: true, `{"sem_ver": ["1.0.0-rc.11", ">", "1.0.0-rc.2"]}`: true, `{"sem_ver": ["1.0.0-a", "<=", "1.0.0-a.b"]}`: true, `{"sem_ver": ["3.1.4", "~", "3.1.0"]}`: true,
		`{"sem_ver": ["3.2.0", "~", "3.1.0"]}`: false, `{"sem_ver": ["3.2.0", "^", "3"]}`: true, `{"sem_ver": ["4.0.0", "^", "3.9"]}`: false, `{"sem_ver": ["1.0.0", "!=", "1.0"]}`: false, `{"sem_ver": ["1.0.0", ">=", "1.0.1"]}`: false,
		`{"sem_ver": [{"var": "email"}, "=", "1.0.0"]}`: nil, `{"sem_ver": [{"var": "none"}, "=", "1.0.0"]}`: nil, `{"sem_ver": [{"var": "score"}, "=", "1.5.0"]}`: true, `{"sem_ver": ["18446744073709551617.0.0", ">", "18446744073709551616.0.0"]}`: true,
	} {
		if diff := cmp.Diff(want, run(t, rule, subject())); diff != "" {
			t.Errorf("%s: -want +got:\n%s", rule, diff)
		}
	}
}

func TestVersionsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "v", "1.", "2.0.0.0", "01.2.3", "1.2.3-", "1.2.3+", "1.2-alpha", "1.2.3-a..b", "1.2.3-01", "1.x", "-1.0.0", "1.2.3-ä", strings.Repeat("1", 300)} {
		if v, ok := parseVersion(text); ok {
			t.Errorf("%q was read as %v", text, v)
		}
	}
}

func TestNothingIsKnownOfNobody(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{`{"var": "targetingKey"}`, `{"var": "$flagd.timestamp"}`, `{"var": "email"}`, `{"fractional": [["a", 1]]}`} {
		if got := run(t, rule, nobody); got != nil {
			t.Errorf("%s: %v", rule, got)
		}
	}
	if diff := cmp.Diff(map[string]any{"targetingKey": "u", "a": 1}, run(t, `{"var": ""}`, &Context{TargetingKey: "u", Attributes: map[string]any{"a": 1}})); diff != "" {
		t.Error(diff)
	}
}

func TestRulesAreRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"!":[`, MaxDepth+1) + "1" + strings.Repeat("]}", MaxDepth+1)
	for rule, want := range map[string]string{
		`"a"`:                               `targeting is not an operation; write a JSON Logic rule`,
		`[1]`:                               `targeting is not an operation`,
		`{"if"`:                             `targeting is no JSON: unexpected end of JSON input`,
		`{"==": [1e999, 1]}`:                `targeting is no JSON: number 1e999 is too large a number`,
		`{"equals": [1, 2]}`:                `targeting.equals is no known operator; use one of: `,
		`{"start_with": ["a", "b"]}`:        `targeting.start_with is no known operator; use "starts_with"`,
		`{"if": [{}, "a"]}`:                 `targeting.if[0] has 0 operators ()`,
		`{"==": [1, 1], "!": [1]}`:          `targeting has 2 operators (!, ==); an operation is a mapping with exactly one; join conditions with and`,
		`{"==": [1]}`:                       `targeting.== has 1 arguments; == takes exactly 2`,
		`{"<": [1, 2, 3, 4]}`:               `targeting.< has 4 arguments; < takes 2 to 3`,
		`{"!": []}`:                         `targeting.! has 0 arguments; ! takes exactly 1`,
		`{"if": []}`:                        `targeting.if has 0 arguments; if takes 1 or more`,
		`{"var": true}`:                     `targeting.var does not name what to read`,
		`{"var": "$flagd.key"}`:             `targeting.var reads "$flagd.key"; use $flagd.flagKey or $flagd.timestamp`,
		`{"if": [{"$ref": "a"}, 1]}`:        `targeting.if[0].$ref refers to "a", and there are no evaluators`,
		`{"sem_ver": ["1", "~>", 1]}`:       `targeting.sem_ver[1] is "~>"; use one of: = != < <= > >= ~ ^`,
		`{"sem_ver": ["1", "=", "latest"]}`: `targeting.sem_ver[2] is "latest", which is no version; write one like 1.4.0`,
		`{"fractional": [["a", 0.5]]}`:      `targeting.fractional[0][1] is 0.5, which is no weight; write a whole number from 0 to 2147483647`,
		`{"fractional": [["a", "50"]]}`:     `targeting.fractional[0][1] is "50", which is no weight`,
		`{"fractional": [["a", 2147483647], ["b", 1]]}`: `targeting.fractional has weights that sum to 2147483648; the sum is at most 2147483647`,
		`{"fractional": [{"var": "x"}]}`:                `targeting.fractional has no shares; list them after the bucketing value`,
		`{"fractional": [{"var": "x"}, "a"]}`:           `targeting.fractional[1] is no share; write a variant and its weight, for example ["enabled", 25]`,
		`{"fractional": [["a", 1, 2]]}`:                 `targeting.fractional[0] is no share`,
		`{"fractional": [[["a"], 1]]}`:                  `targeting.fractional[0][0] is a list; name a variant`,
		`{"percentage_of_actors": ["a", "", 1]}`:        `targeting.percentage_of_actors[1] is no flag's name`,
		`{"percentage_of_actors": ["a", "b", 60]}`:      `targeting.percentage_of_actors[2] is 60; write the ratio, a number from 0 to 1`,
		deep: `lies more than 32 levels deep; simplify the rules`,
		`{"in": [1, [` + strings.Repeat("1,", MaxNodes) + `1]]}`:         `targeting has more than 10000 operations and values`,
		`{"in": ["` + strings.Repeat("a", MaxTargetingBytes) + `", ""]}`: `rules have at most 131072 bytes; name groups instead of listing subjects`,
	} {
		_, _, problem := compileRule(json.RawMessage(rule))
		if problem == nil || !strings.Contains(problem.Error(), want) {
			t.Errorf("%.80s: %v; want %q", rule, problem, want)
		}
	}
}

func TestResultsThatAreNoVariants(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`{"if": [{"var": "vip"}, "enabled", "disabled"]}`:        ``,
		`{"if": [{"var": "vip"}, "enabled", null]}`:              ``,
		`{"if": [{"==": [{"var": "plan"}, "gold"]}, "enabled"]}`: ``,
		`{"var": "variant"}`:                                     ``,
		`{"if": [{"var": "vip"}, "released"]}`:                   `targeting.if[1] gives "released", which is not a variant; use one of: disabled, enabled`,
		`{"if": [true, "enabled", false, "enabled", "off"]}`:     `targeting.if[4] gives "off", which is not a variant`,
		`{"if": [true, {"if": [true, true]}]}`:                   `targeting.if[1].if[1] gives "true", which is not a variant`,
		`{"if": [true, 1]}`:                                      `targeting.if[1] gives "1", which is not a variant`,
		`{"if": [true, ["enabled"]]}`:                            `targeting.if[1] gives a list; give the name of a variant`,
		`{"fractional": [["enabled", 1], ["half", 1]]}`:          `targeting.fractional[1][0] gives "half", which is not a variant`,
		`{"in": ["a", "b"]}`:                                     `targeting.in gives true or false, which are not variants; wrap it: {"if": [{"in": …}, "enabled"]}`,
		`{"merge": [1]}`:                                         `targeting.merge gives a list`,
	} {
		definition := Definition{Key: "blog", Type: Boolean, Variants: values("enabled", "true", "disabled", "false"), Targeting: json.RawMessage(rule)}
		if got := text(definition.Validate()); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q; want %q", rule, got, want)
		}
	}
	plain := Definition{Key: "blog", Type: Boolean, Variants: values("true", "true", "false", "false"), Targeting: json.RawMessage(`{"in": ["a", "b"]}`)}
	if err := plain.Validate(); err != nil {
		t.Error(err)
	}
}

// TestStepsAreBounded gives rules that would take very long or much memory.
func TestStepsAreBounded(t *testing.T) {
	t.Parallel()
	long := make([]any, 5000)
	for i := range long {
		long[i] = "element"
	}
	context := &Context{Attributes: map[string]any{"list": long}}
	doubling := `{"var": "accumulator"}, {"var": "accumulator"}`
	for name, rule := range map[string]string{
		"nested lists":   `{"some": [{"var": "list"}, {"in": ["x", {"map": [["a"], {"var": ""}]}]}]}`,
		"doubled text":   `{"reduce": [{"var": "list"}, {"cat": [` + doubling + `]}, "0123456789abcdef"]}`,
		"doubled list":   `{"reduce": [{"var": "list"}, {"merge": [` + doubling + `]}, [1]]}`,
		"list of lists":  `{"map": [{"var": "list"}, {"map": [["a", "b", "c", "d"], {"var": ""}]}]}`,
		"many lookups":   `{"missing": {"merge": [` + strings.Repeat(`{"var": "list"},`, 9) + `[]]}}`,
		"reduced arrays": `{"reduce": [{"var": "list"}, [` + doubling + `, ` + doubling + `], 1]}`,
	} {
		set, err := Compile([]Definition{{Key: "blog", Type: Boolean, Variants: values("enabled", "true"), DefaultVariant: "enabled", Targeting: json.RawMessage(`{"if": [` + rule + `, "enabled"]}`)}})
		if err != nil {
			t.Fatal(name, err)
		}
		start := time.Now()
		got := set.Evaluate("blog", context)
		if got.Code != General || got.Reason != Failed || got.Detail != "the rules take too many steps" || got.OK() {
			t.Errorf("%s: %+v", name, got)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"blog", "api_access", "false_positive_caching"}
	for name, want := range map[string]string{"blgo": "blog", "rsolv_blog": "blog", "blog_enabled": "blog", "apiaccess": "api_access", "zzzzzzzz": "", "": "", "x": ""} {
		if got := Nearest(name, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := fmt.Sprint(editDistance("kitten", "sitting")); got != "3" {
		t.Error(got)
	}
}
