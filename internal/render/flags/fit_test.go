package flags

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestKeyTooLongIsInvalid(t *testing.T) {
	t.Parallel()
	plan := Make(Input{App: app(), Flags: []*v1alpha1.FeatureFlag{boolean(strings.Repeat("a", 64), 1)}})
	if got := plan.Verdicts[0]; got.Reason != v1alpha1.ReasonInvalidDefinition || !strings.Contains(got.Message, "at most 63 characters") {
		t.Errorf("%+v", got)
	}
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	text := func(n int) func(*v1alpha1.FeatureFlag) {
		raw, _ := json.Marshal(strings.Repeat("x", n))
		return typed(v1alpha1.FlagString, "a", string(raw))
	}
	all := func(length int) []*v1alpha1.FeatureFlag {
		var flags []*v1alpha1.FeatureFlag
		for i := range 5 {
			flags = append(flags, boolean(fmt.Sprintf("flag-%d", 9-i), i, text(length)))
		}
		return flags
	}
	full := Make(Input{App: app(), Flags: all(200)})
	limit := len(full.File)
	refused := func(plan Plan) (names []string) {
		if len(plan.File) > limit {
			t.Errorf("%d bytes, limit %d", len(plan.File), limit)
		}
		for _, v := range plan.Verdicts {
			if v.TooLarge {
				names = append(names, v.Flag.Name)
			}
		}
		return names
	}
	make2 := func(flags []*v1alpha1.FeatureFlag, published []byte) Plan {
		plan := Make(Input{App: app(), Flags: flags, Published: published, MaxBytes: limit})
		again := Make(Input{App: app(), Flags: flags, Published: plan.File, MaxBytes: limit})
		if string(again.File) != string(plan.File) || !cmp.Equal(outcomes(again), outcomes(plan)) {
			t.Errorf("a second plan differs:\n%s\n%s", plan.File, again.File)
		}
		return plan
	}

	if got := refused(make2(all(200), nil)); got != nil {
		t.Errorf("what fits exactly was refused: %v", got)
	}
	plan := make2(all(201), nil)
	if diff := cmp.Diff([]string{"flag-5"}, refused(plan)); diff != "" {
		t.Errorf("the newest gives way: %s", diff)
	}
	if got := outcomes(plan)["flag-5"]; got.Default != "" || !strings.Contains(got.Message, fmt.Sprintf("may take %d together", limit)) {
		t.Errorf("%+v", got)
	}

	// An older flag that comes later does not push out what is published.
	late := boolean("early", -10, text(1))
	plan = make2(append(all(200), late), full.File)
	if diff := cmp.Diff([]string{"early"}, refused(plan)); diff != "" {
		t.Errorf("%s", diff)
	}
	// A flag that grows keeps its last good definition; one that shrinks makes
	// room for it.
	grown := all(200)
	text(210)(grown[0])
	plan = make2(grown, full.File)
	if got := outcomes(plan)["flag-9"]; !got.TooLarge || got.Default != "a" || string(plan.File) != string(full.File) {
		t.Errorf("%+v\n%s", got, plan.File)
	}
	text(190)(grown[4])
	plan = make2(grown, full.File)
	if got := refused(plan); got != nil || len(plan.File) != limit {
		t.Errorf("refused %v with %d of %d bytes used", got, len(plan.File), limit)
	}
}

func TestRenderingWithoutAClusterHasNoOwner(t *testing.T) {
	t.Parallel()
	a := app()
	a.UID = ""
	if refs := Make(Input{App: a}).ConfigMap.GetOwnerReferences(); len(refs) != 0 {
		t.Errorf("owners %v", refs)
	}
}
