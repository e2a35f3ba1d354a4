package flagd

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// FuzzRules evaluates any rule with any context. Nothing may panic, take long
// or give a result that contradicts itself.
func FuzzRules(f *testing.F) {
	context := `{"email":"ada@example.com","age":36,"list":[1,"a",null,[2],{"x":1}],"user":{"name":"Ada"},"version":"1.2.3-rc.1"}`
	for _, rule := range []string{
		`{"if":[{"var":"email"},"enabled"]}`,
		`{"fractional":[{"cat":[{"var":"$flagd.flagKey"},{"var":"email"}]},["enabled",25],["disabled",{"var":"age"}]]}`,
		`{"if":[{"sem_ver":[{"var":"version"},">=","1.2.3-rc"]},"enabled",{"substr":["disabled",{"var":"age"},-1]}]}`,
		`{"reduce":[{"var":"list"},{"cat":[{"var":"accumulator"},{"var":"accumulator"},{"var":"current"}]},"x"]}`,
		`{"if":[{"percentage_of_actors":[{"var":"targetingKey"},"blog",0.5]},"enabled"]}`,
		`{"map":[{"merge":[{"var":"list"},{"var":""}]},{"missing_some":[1,["x",{"var":"list.0"}]]}]}`,
		`{"if":[{"none":[{"filter":[{"var":"list"},{"!":{"var":"x"}}]},{"in":[{"var":""},"abc"]}]},{"max":[{"var":"list"}]},{"%":[{"/":[1,0]},{"-":"x"}]}]}`,
		`{"<":["1",{"var":["none",{"+":["1e400","0x1"]}]},{"*":[1e308,1e308]}]}`,
		`{"var":{"var":"list.3.0"}}`,
	} {
		f.Add([]byte(rule), []byte(context), "user:1")
	}
	f.Fuzz(func(t *testing.T, rule, data []byte, key string) {
		definition := Definition{
			Key: "blog", Type: Boolean, DefaultVariant: "disabled", Targeting: rule,
			Variants: values("enabled", "true", "disabled", "false", "true", "true", "false", "false"),
		}
		set, err := Compile([]Definition{definition})
		if err != nil {
			return
		}
		context := &Context{TargetingKey: key, Time: time.Unix(1, 0)}
		if json.Unmarshal(data, &context.Attributes) != nil {
			context.Attributes = nil
		}
		start := time.Now()
		got := set.Evaluate("blog", context)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if got.OK() == (got.Reason == Failed) || got.OK() != (got.Variant != "") || (got.Code == "") != (got.Reason != Failed) {
			t.Errorf("contradicts itself: %+v", got)
		}
		again := set.Evaluate("blog", context)
		if again.Variant != got.Variant || again.Why() != got.Why() || !bytes.Equal(again.JSON, got.JSON) {
			t.Errorf("%+v, then %+v", got, again)
		}
	})
}
