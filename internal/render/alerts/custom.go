package alerts

import (
	"maps"
	"slices"
	"strings"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
	"github.com/rsolv-dev/rsolv-operator/internal/contract"
	"github.com/rsolv-dev/rsolv-operator/internal/promql"
)

// custom is what is added to the alerts of a threshold.
type custom struct{ labels, annotations map[string]string }

// custom gathers labels and annotations of the baseline and the threshold; the
// latter win.
func (c *compiler) custom(t *v1alpha1.Threshold) (custom, *Problem) {
	var all custom
	if options := c.baseline.Spec.Alerts; options != nil {
		if problem := all.add(t, "spec.alerts.", options.Labels, options.Annotations); problem != nil {
			return all, problem
		}
	}
	return all, all.add(t, "", t.Labels, t.Annotations)
}

func (all *custom) add(t *v1alpha1.Threshold, at string, labels v1alpha1.AlertLabels, annotations v1alpha1.AlertAnnotations) *Problem {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		switch value := string(labels[name]); {
		case !isLabelName(name):
			return bad(t, at+"labels", "\""+name+"\" is no label name", "use letters, digits and _, and begin with no digit")
		case isOwnLabel(name):
			return bad(t, at+"labels", name+" is set by the operator, and routing relies on it", "choose another name")
		case strings.Contains(value, "{{"):
			return bad(t, at+"labels."+name, "a label cannot be a template: a value that changes would make a new alert each time", "put it into an annotation")
		default:
			all.labels = put(all.labels, name, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		text := string(annotations[name])
		if !isLabelName(name) {
			return bad(t, at+"annotations", "\""+name+"\" is no annotation name", "use letters, digits and _, and begin with no digit")
		}
		if err := promql.CheckTemplate(text); err != nil {
			return bad(t, at+"annotations."+name, "it is no template: "+err.Error(), "write it as Prometheus does, for example {{ $value | humanize }}")
		}
		all.annotations = put(all.annotations, name, text)
	}
	return nil
}

func put(into map[string]string, name, value string) map[string]string {
	if into == nil {
		into = map[string]string{}
	}
	into[name] = value
	return into
}

// flag understands the condition on a feature flag.
func (c *compiler) flag(t *v1alpha1.Threshold) (*v1alpha1.FlagGuard, *Problem) {
	condition := t.OnlyWhenFlag
	if condition == nil {
		return nil, nil //nolint:nilnil // no condition is an answer
	}
	if !isFlagKey(condition.Key) {
		return nil, bad(t, "onlyWhenFlag.key", "\""+condition.Key+"\" is no key of a flag",
			"write it as in the FeatureFlag, for example display_draft_blog_posts")
	}
	return condition, nil
}

// flagMemory is how long the last known value of a flag counts while no pod
// tells it.
const flagMemory = "1h"

// flagValue is 1 while a pod has the flag on, 0 while none has, and absent
// while none tells.
func (c *compiler) flagValue(key string) string {
	return "max(" + contract.MetricFlagEnabled + "{" + join(c.matchers, matcher(contract.LabelFlag, "=", key)) + "})"
}

// unlessFlag takes series away while the flag is known to differ. on are the
// labels by which they are matched.
func (c *compiler) unlessFlag(p *Plan, on string) string {
	if p.Flag == nil {
		return ""
	}
	return "\nunless on (" + on + ") last_over_time(" + c.recorded(p.Name, "flag") + "[" + flagMemory + "]) == " + otherValue(p.Flag)
}

// otherValue is that of a flag that differs from what is asked for.
func otherValue(flag *v1alpha1.FlagGuard) string {
	if flag.Is {
		return "0"
	}
	return "1"
}

// isFlagKey accepts ^[a-z][a-z0-9]*(_[a-z0-9]+)*$.
func isFlagKey(key string) bool {
	for word := range strings.SplitSeq(key, "_") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			if c := word[i]; (c < 'a' || c > 'z') && !isDigit(c) {
				return false
			}
		}
	}
	return !isDigit(key[0])
}
