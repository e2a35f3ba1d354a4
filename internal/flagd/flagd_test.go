package flagd

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// suits is a flag whose rules are given, with the variants of a card game.
func suits(tb testing.TB, key, targeting string) *Set {
	tb.Helper()
	set, err := Parse(fmt.Appendf(nil, `{"flags":{%q:{"state":"ENABLED","defaultVariant":"wild","targeting":%s,
		"variants":{"clubs":"c","diamonds":"d","hearts":"h","spades":"s","wild":"w"}}}}`, key, targeting))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

const quarters = `["clubs", 25], ["diamonds", 25], ["hearts", 25], ["spades", 25]`

// TestFractionalAgreesWithFlagd uses answers that flagd gives.
func TestFractionalAgreesWithFlagd(t *testing.T) {
	t.Parallel()
	byKey := suits(t, "fractional-flag", `{"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "user.name"}]}, `+quarters+`]}`)
	bySeed := suits(t, "any", `{"fractional": [{"cat": ["shared-seed", {"var": "user.name"}]}, `+quarters+`]}`)
	halves := suits(t, "fractional-flag-shorthand", `{"fractional": [["hearts"], ["spades", 1]]}`)
	edge := suits(t, "any", `{"fractional": [{"var": "targetingKey"}, ["hearts", 50], ["spades", 50]]}`)
	named := func(name string) *Context {
		return &Context{Attributes: map[string]any{"user": map[string]any{"name": name}}}
	}
	keyed := func(key string) *Context { return &Context{TargetingKey: key} }
	for _, test := range []struct {
		set     *Set
		context *Context
		want    string
	}{
		{byKey, named("jack"), "hearts"},
		{byKey, named("queen"), "spades"},
		{byKey, named("ten"), "clubs"},
		{byKey, named("nine"), "diamonds"},
		{byKey, &Context{Attributes: map[string]any{"user": map[string]any{"name": 3}}}, "clubs"},
		{bySeed, named("seven"), "hearts"},
		{bySeed, named("eight"), "diamonds"},
		{bySeed, named("nine"), "clubs"},
		{bySeed, named("two"), "spades"},
		{halves, keyed("jon@company.com"), "hearts"},
		{halves, keyed("jane@company.com"), "spades"},
		{halves, &Context{Attributes: map[string]any{"targetingKey": "jane@company.com"}}, "spades"},
		{edge, keyed("ejOoVL"), "hearts"},
		{edge, keyed("bY9fO-"), "hearts"},
		{edge, keyed("SI7p-"), "hearts"},
		{edge, keyed("6LvT0"), "spades"},
		{edge, keyed("ceQdGm"), "spades"},
	} {
		got := test.set.Evaluate(test.set.Keys()[0], test.context)
		if got.Variant != test.want || got.Reason != TargetingMatch {
			t.Errorf("%s %+v: %+v, want %s", test.set.Keys()[0], test.context, got, test.want)
		}
	}
}

func TestFractionalWithComputedParts(t *testing.T) {
	t.Parallel()
	weight := suits(t, "any", `{"fractional": [{"var": "targetingKey"}, ["hearts", {"if": [{"==": [{"var": "tier"}, "premium"]}, 100, 0]}], ["spades", {"var": "weight"}]]}`)
	value := suits(t, "any", `{"fractional": [{"var": "targetingKey"}, [{"var": "suit"}, 50], ["spades", 50]]}`)
	with := func(key, name string, v any) *Context {
		return &Context{TargetingKey: key, Attributes: map[string]any{name: v}}
	}
	for name, test := range map[string]struct {
		set     *Set
		context *Context
		want    string
		reason  Reason
	}{
		"weight by condition":      {weight, &Context{TargetingKey: "jon@company.com", Attributes: map[string]any{"tier": "premium", "weight": 10}}, "hearts", TargetingMatch},
		"weight 0":                 {weight, with("jon@company.com", "weight", 10), "spades", TargetingMatch},
		"negative is 0, no weight": {weight, with("user1", "weight", -5), "wild", Default},
		"no number":                {weight, with("user1", "weight", "5"), "wild", Default},
		"sum too large":            {weight, &Context{TargetingKey: "u", Attributes: map[string]any{"tier": "premium", "weight": math.MaxInt32}}, "wild", Default},
		"no whole number":          {weight, with("user1", "weight", 1.5), "wild", Default},
		"value from the context":   {value, with("jon@company.com", "suit", "clubs"), "clubs", TargetingMatch},
		"the other share":          {value, with("user1", "suit", "clubs"), "spades", TargetingMatch},
		"a value that is none":     {value, with("jon@company.com", "suit", []any{}), "wild", Default},
		"no value":                 {value, &Context{TargetingKey: "jon@company.com"}, "wild", Default},
		"no targeting key":         {value, with("", "suit", "clubs"), "wild", Default},
		"bucketing by a number":    {suits(t, "any", `{"fractional": [{"var": "n"}, ["spades", 1]]}`), with("user1", "n", 5), "wild", Default},
		"all weights 0":            {suits(t, "any", `{"fractional": [["spades", 0], ["hearts", -50]]}`), &Context{TargetingKey: "u"}, "wild", Default},
		"negative weight":          {suits(t, "any", `{"fractional": [["spades", -50], ["hearts", 50]]}`), &Context{TargetingKey: "u"}, "hearts", TargetingMatch},
		"as a condition":           {suits(t, "any", `{"if": [{"fractional": [[false, 0], [true, 100]]}, "hearts", "spades"]}`), &Context{TargetingKey: "u"}, "hearts", TargetingMatch},
		"as a false condition":     {suits(t, "any", `{"if": [{"fractional": [[false, 100], [true, 0]]}, "hearts", "spades"]}`), &Context{TargetingKey: "u"}, "spades", TargetingMatch},
		"one in another":           {suits(t, "any", `{"fractional": [[{"fractional": [["hearts", 1]]}, 1]]}`), &Context{TargetingKey: "u"}, "hearts", TargetingMatch},
	} {
		if got := test.set.Evaluate("any", test.context); got.Variant != test.want || got.Reason != test.reason {
			t.Errorf("%s: %+v, want %s %s", name, got, test.want, test.reason)
		}
	}
}

func TestHashes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint32{"": 0, "a": 0x3c2569b2, "abc": 0xb3dd93fa, "test": 0xba6bd213, "Hello, world!": 0xc0363e43, "The quick brown fox jumps over the lazy dog": 0x2e4ff723} {
		for cut := range len(text) + 1 {
			if got := murmur3(text[:cut], text[cut:]); got != want {
				t.Errorf("murmur3(%q, %q) = %#x, want %#x", text[:cut], text[cut:], got, want)
			}
		}
	}
	for actor, want := range map[string]float64{"user:1": 0.8658294677734375, "user:4": 0.2617645263671875} {
		if got := ActorScore(actor, "pipeweed"); got != want {
			t.Errorf("ActorScore(%s) = %v, want %v", actor, got, want)
		}
	}
}

func TestPercentageOfActors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ratio string
		actor any
		want  any
	}{
		"below": {"0.3", "user:4", true}, "at": {"0.2617645263671875", "user:4", true}, "above": {"0.26", "user:4", false},
		"nobody": {"0", "user:4", false}, "everybody": {"1", "user:1", true}, "no actor": {"1", nil, nil}, "a number": {"1", 7, true}, "a list": {"1", []any{}, nil},
	} {
		got := run(t, `{"percentage_of_actors": [{"var": "actor"}, "pipeweed", `+test.ratio+`]}`, &Context{Attributes: map[string]any{"actor": test.actor}})
		if got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestTargeting(t *testing.T) {
	t.Parallel()
	flag := func(rest string) string {
		return `{"state":"ENABLED","variants":{"hit":1,"miss":2,"true":3,"false":4,"5":5},` + rest + `}`
	}
	set, err := Parse([]byte(`{"$evaluators": {
		"is_ballmer": {"==": ["ballmer@macrosoft.com", {"var": ["email"]}]},
		"either": {"or": [{"$ref": "is_ballmer"}, {"in": ["@faas.com", {"var": ["email"]}]}]},
		"unused": {"var": "x"}
	}, "flags": {
		"by_key": ` + flag(`"defaultVariant":"miss","targeting":{"if":[{"==":[{"var":"targetingKey"},"u1"]},"hit",null]}`) + `,
		"no_default": ` + flag(`"targeting":{"if":[{"==":[{"var":"targetingKey"},"u1"]},"hit"]}`) + `,
		"null_default": ` + flag(`"defaultVariant":null,"targeting":{"if":[{"==":[{"var":"targetingKey"},"u1"]},"hit"]}`) + `,
		"boolean": ` + flag(`"defaultVariant":"miss","targeting":{"==":[{"var":"targetingKey"},"u1"]}`) + `,
		"number": ` + flag(`"defaultVariant":"miss","targeting":{"+":[{"var":"n"},0]}`) + `,
		"free": ` + flag(`"defaultVariant":"miss","targeting":{"var":"v"}`) + `,
		"ref": ` + flag(`"defaultVariant":"miss","targeting":{"if":[{"$ref" : "either"},"hit"]}`) + `,
		"all_ref": ` + flag(`"defaultVariant":"miss","targeting":{"$ref":"is_ballmer"}`) + `,
		"disabled": {"state":"DISABLED","variants":{"hit":1},"defaultVariant":"hit","targeting":{"if":[true,"hit"]}},
		"empty": ` + flag(`"defaultVariant":"miss","targeting":{}`) + `
	}}`))
	if err != nil {
		t.Fatal(err)
	}
	user := func(key string) *Context { return &Context{TargetingKey: key} }
	with := func(name string, v any) *Context { return &Context{Attributes: map[string]any{name: v}} }
	for name, test := range map[string]struct {
		key     string
		context *Context
		want    Result
	}{
		"match":             {"by_key", user("u1"), Result{Variant: "hit", Reason: TargetingMatch}},
		"null":              {"by_key", user("u2"), Result{Variant: "miss", Reason: Default}},
		"nobody":            {"by_key", nil, Result{Variant: "miss", Reason: Default}},
		"no default, match": {"no_default", user("u1"), Result{Variant: "hit", Reason: TargetingMatch}},
		"no default":        {"no_default", user("u2"), Result{Reason: Default}},
		"null default":      {"null_default", user("u2"), Result{Reason: Default}},
		"true":              {"boolean", user("u1"), Result{Variant: "true", Reason: TargetingMatch}},
		"false":             {"boolean", nil, Result{Variant: "false", Reason: TargetingMatch}},
		"number":            {"number", with("n", 5), Result{Variant: "5", Reason: TargetingMatch}},
		"no number":         {"number", with("n", "x"), Result{Variant: "miss", Reason: Default}},
		"free":              {"free", with("v", "hit"), Result{Variant: "hit", Reason: TargetingMatch}},
		"unknown":           {"free", with("v", "none"), Result{Reason: Failed, Code: General, Detail: `the rules give "none", which is not a variant`}},
		"list":              {"free", with("v", []any{"hit"}), Result{Reason: Failed, Code: General, Detail: "the rules give a list or a mapping, not the name of a variant"}},
		"mapping":           {"free", with("v", map[string]any{}), Result{Reason: Failed, Code: General, Detail: "the rules give a list or a mapping, not the name of a variant"}},
		"ref":               {"ref", with("email", "ballmer@macrosoft.com"), Result{Variant: "hit", Reason: TargetingMatch}},
		"nested ref":        {"ref", with("email", "x@faas.com"), Result{Variant: "hit", Reason: TargetingMatch}},
		"ref, no match":     {"ref", nil, Result{Variant: "miss", Reason: Default}},
		"whole rule a ref":  {"all_ref", nil, Result{Variant: "false", Reason: TargetingMatch}},
		"disabled":          {"disabled", user("u1"), Result{Reason: Disabled}},
		"empty":             {"empty", user("u1"), Result{Variant: "miss", Reason: Static}},
		"none":              {"none", user("u1"), Result{Reason: Failed, Code: NotFound, Detail: "there is no such flag"}},
	} {
		got := set.Evaluate(test.key, test.context)
		if number, ok := got.Value.(float64); ok != got.OK() || ok && fmt.Sprint(number) != string(got.JSON) || got.OK() != (test.want.Variant != "") {
			t.Errorf("%s: value %v, JSON %s", name, got.Value, got.JSON)
		}
		if got.Targeted != set.Targeted(test.key) {
			t.Errorf("%s: targeted %v", name, got.Targeted)
		}
		got.Targeted = false
		got.Key, got.Type, got.Value, got.JSON, got.Metadata = "", "", nil, nil, nil
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	if set.Targeted("empty") || !set.Targeted("by_key") || set.Targeted("none") || set.Targeted("disabled") {
		t.Error("Targeted is wrong")
	}
	var keys []string
	for result := range set.All(user("u1")) {
		keys = append(keys, result.Key)
	}
	if diff := cmp.Diff(set.Keys(), keys); diff != "" || len(keys) != 10 {
		t.Error(diff)
	}
	for range set.All(nil) {
		break
	}
}

func TestEvaluatorsAreChecked(t *testing.T) {
	t.Parallel()
	explosion := Evaluators{"a0": json.RawMessage(`{"and": [` + `{"var":"x"},{"var":"x"},{"var":"x"},{"var":"x"}` + `]}`)}
	for i := 1; i < 12; i++ {
		explosion[fmt.Sprintf("a%d", i)] = fmt.Appendf(nil, `{"and": [{"$ref":"a%d"},{"$ref":"a%d"},{"$ref":"a%d"},{"$ref":"a%d"}]}`, i-1, i-1, i-1, i-1)
	}
	many := Evaluators{}
	for i := range MaxEvaluators + 1 {
		many[fmt.Sprint(i)] = json.RawMessage(`{"var":"x"}`)
	}
	for name, test := range map[string]struct {
		give Evaluators
		want string
	}{
		"good":       {Evaluators{"a": json.RawMessage(`{"var":"x"}`), "b": json.RawMessage(`{"!":{"$ref":"a"}}`)}, ""},
		"none":       {nil, ""},
		"itself":     {Evaluators{"a": json.RawMessage(`{"!":[{"$ref":"a"}]}`)}, `evaluators[a].![0].$ref goes in a circle: a refers to a; break the circle`},
		"circle":     {Evaluators{"a": json.RawMessage(`{"$ref":"b"}`), "b": json.RawMessage(`{"!":{"$ref":"a"}}`)}, `evaluators[a].$ref(b).!.$ref goes in a circle: a refers to b refers to a; break the circle; and evaluators[b].!.$ref(a).$ref goes in a circle: b refers to a refers to b; break the circle`},
		"escaped":    {Evaluators{"a": json.RawMessage(`{"!":[{"$\u0072ef":"a"}]}`)}, `evaluators[a].![0].$ref goes in a circle: a refers to a; break the circle`},
		"unknown":    {Evaluators{"is_admin": json.RawMessage(`{"var":"x"}`), "b": json.RawMessage(`{"!":{"$ref":"is_admn"}}`)}, `evaluators[b].!.$ref refers to "is_admn", which is no evaluator; use "is_admin" or declare it`},
		"no name":    {Evaluators{"a": json.RawMessage(`{"$ref":["b"]}`)}, `evaluators[a].$ref is no name; name an evaluator, for example {"$ref": "is_customer"}`},
		"no rule":    {Evaluators{"a": json.RawMessage(`"x"`)}, `evaluators[a] is not an operation; write a JSON Logic rule, for example {"if": [condition, "enabled"]}`},
		"no JSON":    {Evaluators{"a": json.RawMessage(`{"$ref"`)}, `evaluators[a] is no JSON: unexpected end of JSON input; write a JSON Logic rule, for example {"if": [condition, "enabled"]}`},
		"bad rule":   {Evaluators{"a": json.RawMessage(`{"==":[1]}`)}, `evaluators[a].== has 1 arguments; == takes exactly 2`},
		"many":       {many, `evaluators has 65 entries; write at most 64`},
		"grows fast": {explosion, `has more than 10000 operations and values, or more than 32 levels, once its evaluators are put in; simplify the rules or the evaluators`},
	} {
		got := text(test.give.Validate())
		if name == "grows fast" && len(got) > 0 {
			got = got[len(got)-len(test.want):]
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, err := (Evaluators{}).Inline(json.RawMessage(`{"!":{"$ref":"a"}}`)); text(err) != `targeting.!.$ref refers to "a", which is no evaluator; there are none; declare it or write its rule here` {
		t.Error(err)
	}
	raw := json.RawMessage(`{ "==": [ {"var":"preference"}, 1e400 ] }`)
	if got, err := (Evaluators{}).Inline(raw); err != nil || string(got) != string(raw) {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := (Evaluators{"a": json.RawMessage(`{"var":"x<y"}`)}).Inline(json.RawMessage(`{"==": [{"$ref":"a"}, 12345678901234567890]}`)); err != nil || string(got) != `{"==":[{"var":"x<y"},12345678901234567890]}` {
		t.Errorf("%s, %v", got, err)
	}
}
