package workload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

func TestPin(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("0a", 32)
	for _, test := range []struct{ image, imageID, want string }{
		{"ghcr.io/rsolv-dev/rsolv:v1", "ghcr.io/rsolv-dev/rsolv@" + digest, "ghcr.io/rsolv-dev/rsolv@" + digest},
		{"ghcr.io/rsolv-dev/rsolv:v1", "docker-pullable://ghcr.io/rsolv-dev/rsolv@" + digest, "ghcr.io/rsolv-dev/rsolv@" + digest},
		{"localhost:5000/rsolv:v1", "localhost:5000/rsolv@" + digest, "localhost:5000/rsolv@" + digest},
		{"rsolv-dev/rsolv:v1", "docker.io/rsolv-dev/rsolv@" + digest, "rsolv-dev/rsolv@" + digest},
		{"rsolv:v1", "docker.io/library/rsolv@" + digest, "rsolv@" + digest},
		{"rsolv:v1@" + digest, "sha256:1234", "rsolv:v1@" + digest},
		{"rsolv:v1", digest, ""},
		{"rsolv:v1", "", ""},
		{"ghcr.io/rsolv-dev/rsolv:v1", "mirror.internal/rsolv@" + digest, ""},
		{"ghcr.io/rsolv-dev/rsolv:v1", "ghcr.io/rsolv-dev/rsolv@sha256:beef", ""},
	} {
		if got := Pin(test.image, test.imageID); got != test.want {
			t.Errorf("Pin(%s, %s) = %q, want %q", test.image, test.imageID, got, test.want)
		}
	}
}

func TestFlagTypes(t *testing.T) {
	t.Parallel()
	got, err := FlagTypes([]byte(`{"flags": {
		"b": {"variants": {"x": false}}, "s": {"variants": {"x": "y"}}, "n": {"variants": {"x": -1.5}},
		"o": {"variants": {"x": {"a": 1}}}, "none": {}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"b": "Boolean", "s": "String", "n": "Number", "o": "Object", "none": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	if _, err := FlagTypes([]byte("{")); err == nil {
		t.Error("no JSON was read as a flags file")
	}
}

func TestCheckFlagsNamesNearMisses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		published map[string]string
		want      string
	}{
		"suffix":          {map[string]string{"blog_enabled": "Boolean"}, `image needs flag "blog"; declared: "blog_enabled": create`},
		"prefix":          {map[string]string{"rsolv_blog": "Boolean"}, `declared: "rsolv_blog": create`},
		"typo":            {map[string]string{"blgo": "Boolean", "billing": "Boolean"}, `nothing like it is declared`},
		"letter":          {map[string]string{"blogs": "Boolean", "billing": "Boolean"}, `declared: "blogs": create`},
		"several":         {map[string]string{"blogs": "", "blog_a": "", "blog_b": "", "blog_c": ""}, `declared: "blog_a", "blog_b", "blog_c": create`},
		"needed by name":  {map[string]string{"blog_roll": "Boolean"}, `nothing like it is declared: create a FeatureFlag with key blog`},
		"nothing":         {nil, `nothing like it is declared`},
		"another type":    {map[string]string{"blog": "String", "blog_roll": "Boolean"}, `image needs flag "blog" of type Boolean; it is declared as String`},
		"there":           {map[string]string{"blog": "Boolean", "blog_roll": "Boolean"}, ""},
		"of unknown type": {map[string]string{"blog": "", "blog_roll": "Boolean"}, ""},
	} {
		required := []v1alpha1.RequiredFlag{{Key: "blog", Type: "Boolean"}}
		if _, ok := test.published["blog_roll"]; ok {
			required = append(required, v1alpha1.RequiredFlag{Key: "blog_roll", Type: "Boolean"})
		}
		problems := CheckFlags(required, test.published)
		switch {
		case test.want == "" && len(problems) > 0:
			t.Errorf("%s: %v", name, problems)
		case test.want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Message, test.want)):
			t.Errorf("%s: %v lacks %q", name, problems, test.want)
		}
	}
}
