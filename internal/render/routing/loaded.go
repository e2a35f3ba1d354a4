package routing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Absent compares the plan with the configuration that an Alertmanager runs.
// It returns what is missing or other there, or nothing; found is false where
// none of it is there.
func (p Plan) Absent(running string) (differences []string, found bool, err error) {
	var loaded Config
	if err := yaml.Unmarshal([]byte(running), &loaded); err != nil {
		return nil, false, fmt.Errorf("reading the configuration of Alertmanager: %w", err)
	}
	want := p.Config()
	at := slices.IndexFunc(loaded.Route.Routes, func(r ConfigRoute) bool { return r.Receiver == p.receiver(Nobody) })
	if at < 0 {
		return nil, false, nil
	}
	branch, wanted := loaded.Route.Routes[at], want.Route.Routes[0]
	if !sameRoute(wanted, branch) {
		differences = append(differences, "the grouping")
	}
	if len(branch.Routes) != len(wanted.Routes) {
		differences = append(differences, fmt.Sprintf("%d routes in place of %d", len(branch.Routes), len(wanted.Routes)))
	}
	for i := range min(len(branch.Routes), len(wanted.Routes)) {
		if !sameRoute(wanted.Routes[i], branch.Routes[i]) {
			differences = append(differences, "the route to "+p.Routes[i].Name)
		}
	}
	for _, receiver := range want.Receivers[2:] { // nobody twice: here and above
		at := slices.IndexFunc(loaded.Receivers, func(r ConfigReceiver) bool { return r.Name == receiver.Name })
		if at < 0 || !slices.Equal(ways(receiver), ways(loaded.Receivers[at])) {
			differences = append(differences, "the addresses of "+strings.TrimPrefix(receiver.Name, p.receiver("")))
		}
	}
	if !slices.ContainsFunc(loaded.InhibitRules, func(r ConfigInhibit) bool { return sameInhibition(want.InhibitRules[0], r) }) {
		differences = append(differences, "critical alerts that silence their warnings")
	}
	return differences, true, nil
}

// ways are what can be compared of a receiver's addresses: an Alertmanager
// hides what may be secret.
func ways(receiver ConfigReceiver) []string {
	var list []string
	for _, email := range receiver.Email {
		list = append(list, fmt.Sprintf("mail %s %t", email.To, email.SendResolved))
	}
	for _, webhook := range receiver.Webhook {
		list = append(list, fmt.Sprintf("webhook %t", webhook.SendResolved))
	}
	for _, slack := range receiver.Slack {
		list = append(list, fmt.Sprintf("slack %s %t", slack.Channel, slack.SendResolved))
	}
	for _, duty := range receiver.PagerDuty {
		list = append(list, fmt.Sprintf("pagerduty %t", duty.SendResolved))
	}
	return list
}

func sameRoute(want, got ConfigRoute) bool {
	return want.Receiver == got.Receiver && want.Continue == got.Continue && sameSet(want.Matchers, got.Matchers) &&
		sameSet(want.GroupBy, got.GroupBy) && seconds(want.GroupWait) == seconds(got.GroupWait) &&
		seconds(want.GroupInterval) == seconds(got.GroupInterval) && seconds(want.RepeatInterval) == seconds(got.RepeatInterval)
}

func sameInhibition(want, got ConfigInhibit) bool {
	return sameSet(want.SourceMatchers, got.SourceMatchers) && sameSet(want.TargetMatchers, got.TargetMatchers) && sameSet(want.Equal, got.Equal)
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// seconds of a duration, which Alertmanager writes in another way than it was
// given: 24h as 1d. -1 is one that is not given.
func seconds(text string) int {
	if text == "" {
		return -1
	}
	total, number := 0, ""
	for _, sign := range text {
		switch {
		case sign >= '0' && sign <= '9':
			number += string(sign)
			continue
		case number == "":
			return -2 // no duration
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			return -2
		}
		total, number = total+n*map[rune]int{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800, 'y': 31536000}[sign], ""
	}
	return total
}
