package featureflag

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/controllers/status"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
)

func TestPropagated(t *testing.T) {
	t.Parallel()
	var h history
	h = h.with("d1", map[string]string{"blog": "1", "other": "1"})
	h = h.with("d2", map[string]string{"blog": "2", "other": "1"})
	runs := func(pod, digest string) answer { return answer{pod: pod, status: contract.FlagsStatus{Digest: digest}} }
	refuses := answer{pod: "r", status: contract.FlagsStatus{Digest: "d0", Error: "no good"}}
	silent := answer{pod: "s", err: errors.New("no answer in time")}
	young := silent
	young.young = true
	for name, test := range map[string]struct {
		key   string
		pods  answers
		want  status.Verdict
		acked string
	}{
		"no pods":                                {"blog", nil, status.Unknown("NoPods", "no pod of the app is ready; pods start with what is published"), ""},
		"all":                                    {"blog", answers{runs("a", "d2"), runs("b", "d2")}, status.True("Succeeded", "2/2 pods run what is published of this flag"), "2/2"},
		"some":                                   {"blog", answers{runs("a", "d2"), runs("b", "d1")}, status.False("WaitingForPods", "1/2 pods run what is published of this flag; not yet b"), "1/2"},
		"an older file with the same definition": {"other", answers{runs("a", "d2"), runs("b", "d1")}, status.True("Succeeded", "2/2 pods run what is published of this flag"), "2/2"},
		"an unknown file":                        {"other", answers{runs("a", "d0")}, status.False("WaitingForPods", "0/1 pods run what is published of this flag; not yet a"), "0/1"},
		"many are missing":                       {"blog", answers{runs("a", "d1"), runs("b", "d1"), runs("c", "d1"), runs("d", "d1")}, status.False("WaitingForPods", "0/4 pods run what is published of this flag; not yet a, b, c and 1 more"), "0/4"},
		"refused":                                {"blog", answers{runs("a", "d2"), refuses}, status.False("PodsRefuseFlags", "1/2 pods run what is published of this flag; refused by r (no good): the app's version may be too old for what the flags use"), "1/2"},
		"silent":                                 {"blog", answers{runs("a", "d2"), silent}, status.Unknown("PodsUnreachable", "1/2 pods run what is published of this flag; cannot be asked: s (no answer in time): the manager must reach port 9090 of the pods"), "1/2"},
		"silent for it has just begun":           {"blog", answers{runs("a", "d2"), young}, status.True("Succeeded", "1/1 pods run what is published of this flag"), "1/1"},
	} {
		p := propagated(test.key, test.pods, h)
		if diff := cmp.Diff(test.want, p.verdict); diff != "" || p.acked != test.acked {
			t.Errorf("%s: acked %q, want %q; -want +got:\n%s", name, p.acked, test.acked, diff)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	var h history
	for i := range 3 * historyLimit {
		h = h.with(string(rune('a'+i)), map[string]string{"blog": "1"})
		h = h.with(string(rune('a'+i)), map[string]string{"blog": "1"})
	}
	if len(h) != historyLimit || !h.same(h[0].digest, "blog") || h.same("a", "blog") {
		t.Errorf("%d editions", len(h))
	}
}

func TestRemember(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	at := func(d time.Duration) *metav1.Time { return new(metav1.NewTime(now.Add(-d).Truncate(time.Second))) }
	given := func(pairs ...any) map[string]time.Time {
		last := map[string]time.Time{}
		for i := 0; i < len(pairs); i += 2 {
			last[pairs[i].(string)] = now.Add(-pairs[i+1].(time.Duration))
		}
		return last
	}
	const day = 24 * time.Hour
	only := &v1alpha1.FlagUse{FirstEvaluatedAt: at(9 * day), OnlyVariant: "enabled", OnlySince: at(5 * day)}
	mixed := &v1alpha1.FlagUse{FirstEvaluatedAt: at(9 * day)}
	for name, test := range map[string]struct {
		known *v1alpha1.FlagUse
		given map[string]time.Time
		want  *v1alpha1.FlagUse
	}{
		"the first time":                  {nil, given("enabled", time.Second), &v1alpha1.FlagUse{FirstEvaluatedAt: at(0), OnlyVariant: "enabled", OnlySince: at(0)}},
		"two at once":                     {nil, given("enabled", time.Second, "disabled", time.Minute), &v1alpha1.FlagUse{FirstEvaluatedAt: at(0)}},
		"the default in the code":         {nil, given("", time.Second), &v1alpha1.FlagUse{FirstEvaluatedAt: at(0)}},
		"still the only one":              {only, given("enabled", time.Second), only},
		"still, and others long ago":      {only, given("enabled", time.Second, "disabled", 6*day), only},
		"another one":                     {only, given("enabled", time.Second, "disabled", time.Minute), mixed},
		"still mixed":                     {mixed, given("enabled", time.Second, "disabled", 23*time.Hour), mixed},
		"the other has not come for long": {mixed, given("enabled", time.Second, "disabled", 25*time.Hour), &v1alpha1.FlagUse{FirstEvaluatedAt: at(9 * day), OnlyVariant: "enabled", OnlySince: at(0)}},
	} {
		if diff := cmp.Diff(test.want, remember(test.known, test.given, now)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestStale(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	since := func(d time.Duration) *v1alpha1.FlagUse {
		at := metav1.NewTime(now.Add(-d))
		return &v1alpha1.FlagUse{FirstEvaluatedAt: &at, OnlyVariant: "enabled", OnlySince: &at}
	}
	off := since(20 * day)
	off.OnlyVariant = "disabled"
	for name, test := range map[string]struct {
		kind    v1alpha1.FlagKind
		expires string
		age     time.Duration
		use     *v1alpha1.FlagUse
		silent  bool // some pod could not be asked
		want    string
	}{
		"young":                          {v1alpha1.FlagRelease, "2026-06-01", 6 * day, nil, false, ""},
		"never asked for":                {v1alpha1.FlagRelease, "2026-06-01", 7 * day, nil, false, `NeverEvaluated: no pod has been asked for "blog" since the flag was made on 2026-02-22; if nothing is to ask for it, delete this FeatureFlag`},
		"nobody knows":                   {v1alpha1.FlagRelease, "2026-06-01", 7 * day, nil, true, ""},
		"asked for":                      {v1alpha1.FlagRelease, "2026-06-01", 99 * day, since(13 * day), false, ""},
		"everybody has it":               {v1alpha1.FlagRelease, "2026-06-01", 99 * day, since(14 * day), false, `FullyRolledOut: everybody has been given "enabled" since 2026-02-15; make that the app's way without a flag, remove "blog" from its code and then this FeatureFlag (owner: me)`},
		"everybody has it off":           {v1alpha1.FlagRelease, "2026-06-01", 99 * day, off, false, ""},
		"everybody has it, and it stays": {v1alpha1.FlagKillSwitch, "", 99 * day, since(14 * day), false, ""},
		"expired":                        {v1alpha1.FlagRelease, "2026-03-01", 99 * day, since(14 * day), false, `Expired: the flag expired on 2026-03-01 and still answers as before; remove "blog" from the app's code and then this FeatureFlag, or set a later spec.lifecycle.expiresAt (owner: me)`},
	} {
		flag := &v1alpha1.FeatureFlag{
			ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-test.age))},
			Spec: v1alpha1.FeatureFlagSpec{
				Type: v1alpha1.FlagBoolean, Lifecycle: &v1alpha1.FlagLifecycle{Kind: test.kind, Owner: "me", ExpiresAt: test.expires},
			},
			Status: v1alpha1.FeatureFlagStatus{Key: "blog", Use: test.use},
		}
		s := &scope{seen: observation{use: sample{at: now, whole: !test.silent}}}
		s.plan.Entries = map[string]string{"blog": "{}"}
		verdict, stale := s.stale(flag, now)
		got := ""
		if stale {
			got = verdict.Reason + ": " + verdict.Message
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
