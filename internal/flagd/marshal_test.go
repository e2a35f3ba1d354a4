package flagd

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sample covers the four types, a disabled flag and one without a default.
func sample() []Definition {
	return []Definition{
		{Key: "limits", Type: Object, Variants: values("small", `{"z":1,"a":{"c":[1,2],"b":null}}`, "large", `{"z":10}`), DefaultVariant: "small"},
		{Key: "blog", Type: Boolean, Variants: values("enabled", "true", "disabled", "false"), DefaultVariant: "disabled", Metadata: map[string]any{"object": "blog", "a": true}},
		{Key: "banner", Type: String, Variants: values("plain", `"<b> & \"c\""`), DefaultVariant: "plain"},
		{Key: "batch", Type: Number, Variants: values("low", " 10 ", "high", "12345678901234567890.5"), DefaultVariant: "high"},
		{Key: "retired", Type: Boolean, Disabled: true, Variants: values("enabled", "true"), DefaultVariant: "enabled"},
		{Key: "undecided", Type: Boolean, Variants: values("enabled", "true")},
	}
}

func write(tb testing.TB, definitions []Definition) []byte {
	tb.Helper()
	entries := make([]Entry, len(definitions))
	for i := range definitions {
		entry, err := definitions[i].Entry()
		if err != nil {
			tb.Fatal(err)
		}
		entries[i] = entry
	}
	return File(entries)
}

func TestFileIsCanonical(t *testing.T) {
	t.Parallel()
	got := write(t, sample())
	golden := filepath.Join("testdata", "sample.json")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	other := sample()
	for i, j := 0, len(other)-1; i < j; i, j = i+1, j-1 {
		other[i], other[j] = other[j], other[i]
	}
	for i := range other {
		if v := other[i].Variants; len(v) == 2 {
			other[i].Variants = []Variant{v[1], v[0]}
		}
	}
	other[5].Variants[1].Value = json.RawMessage("{ \"a\": {\"b\" :null,\"c\":[1,\n2]},\"z\":1}")
	if diff := cmp.Diff(string(want), string(write(t, other))); diff != "" {
		t.Errorf("the order of the input shows:\n%s", diff)
	}
}

func TestFileSizeIsKnownBefore(t *testing.T) {
	t.Parallel()
	for n := range len(sample()) + 1 {
		size, entries := EmptyFileBytes, []Entry{}
		for _, definition := range sample()[:n] {
			entry, err := definition.Entry()
			if err != nil {
				t.Fatal(err)
			}
			entries, size = append(entries, entry), size+entry.Size()
		}
		// The comma that the last entry lacks makes room for the closing
		// line end.
		if got := len(File(entries)); got != size {
			t.Errorf("%d flags: %d bytes, announced %d", n, got, size)
		}
	}
}

func TestEntryRefusesWhatIsInvalid(t *testing.T) {
	t.Parallel()
	definition := Definition{Key: "blog", Type: Boolean, Variants: values("a", "1")}
	if _, err := definition.Entry(); err == nil || !strings.HasPrefix(err.Error(), `flag "blog": variants[a].value`) {
		t.Errorf("error %v", err)
	}
}
